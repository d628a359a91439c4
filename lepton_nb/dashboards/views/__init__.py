"""What do the pages say? Values in, HTML out; every text from outside is escaped here."""

from .deployment import deployment
from .fleet import fleet
from .frame import WIDE, document, page, style, version
from .markup import failure, head, sections_of, updated
from .pipelines import pipelines
from .training import training

__all__ = [
    "WIDE",
    "deployment",
    "document",
    "failure",
    "fleet",
    "head",
    "page",
    "pipelines",
    "sections_of",
    "style",
    "training",
    "updated",
    "version",
]
