"""Where do things lie, and how is a file of ours written?"""

from .files import file_sha256, locked, read_json, write_atomic, write_json
from .paths import Workspace, check_name, current

__all__ = [
    "Workspace",
    "check_name",
    "current",
    "file_sha256",
    "locked",
    "read_json",
    "write_atomic",
    "write_json",
]
