"""Which settings train a network best?"""

from .deleting import delete_study
from .methods import Pruner, Sampler
from .reading import is_study, studies, study_of
from .starting import attach_study, resume_study, stop_study, tune

__all__ = [
    "Pruner",
    "Sampler",
    "attach_study",
    "delete_study",
    "is_study",
    "resume_study",
    "stop_study",
    "studies",
    "study_of",
    "tune",
]
