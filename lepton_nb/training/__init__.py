"""How is a network fitted to data, in a process of its own?"""

from .attending import attach
from .events import Tail
from .following import last_lines
from .job import Job, ask_to_stop
from .options import FIT_OPTIONS, Accelerator, Fit, Place, Precision
from .resuming import resume
from .sources import loaders_of, travels
from .starting import check, specified, train
from .stopping import stop
from .tuning import Method, attach_study, delete_study, is_study, resume_study, stop_study, studies, study_of, tune

__all__ = [
    "FIT_OPTIONS",
    "Accelerator",
    "Fit",
    "Job",
    "Method",
    "Place",
    "Precision",
    "Tail",
    "ask_to_stop",
    "attach",
    "attach_study",
    "check",
    "delete_study",
    "is_study",
    "last_lines",
    "loaders_of",
    "resume",
    "resume_study",
    "specified",
    "stop",
    "stop_study",
    "studies",
    "study_of",
    "train",
    "travels",
    "tune",
]
