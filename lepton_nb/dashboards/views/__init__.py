"""What do the pages say? Values in, HTML out; every text from outside is escaped here."""

from .deeper import deeper
from .deployment import deployment
from .fleet import fleet
from .frame import WIDE, document, ordered, page, style, version
from .markup import failure, head, sections_of, updated
from .pipelines import pipelines
from .training import training

__all__ = [
    "WIDE",
    "deeper",
    "deployment",
    "document",
    "failure",
    "fleet",
    "head",
    "ordered",
    "page",
    "pipelines",
    "sections_of",
    "style",
    "training",
    "updated",
    "version",
]
