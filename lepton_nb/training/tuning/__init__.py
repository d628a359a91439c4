"""Which settings train a network best?"""

from .deleting import delete_study
from .following import attach_study, resume_study, stop_study
from .methods import Method, Pruner, Sampler
from .reading import is_study, studies, study_of
from .starting import tune

__all__ = [
    "Method",
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
