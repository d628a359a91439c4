"""Which verbs are there, and what does each one do?"""

from .host import Host, PlainHost, current_host, hosted, import_object
from .live import ask_to_stop
from .progress import Progress
from .tree import FUNCTIONS, VERBS, Outcome, arguments_of, face, invoke, root

__all__ = [
    "FUNCTIONS",
    "VERBS",
    "Host",
    "Outcome",
    "PlainHost",
    "Progress",
    "arguments_of",
    "ask_to_stop",
    "current_host",
    "face",
    "hosted",
    "import_object",
    "invoke",
    "root",
]
