"""Where do things lie, and how is a file of ours written?"""

from .files import file_sha256, locked, read_json, replacing, write_atomic, write_json
from .paths import Workspace, check_name, current, nearest_root
from .secrets import SecretStream, mask, mask_all, may_hold_secrets, resolve_secret, secret_name, secret_names
from .trash import discard, leftovers, size_of

__all__ = [
    "SecretStream",
    "Workspace",
    "check_name",
    "current",
    "discard",
    "file_sha256",
    "leftovers",
    "locked",
    "mask",
    "mask_all",
    "may_hold_secrets",
    "nearest_root",
    "read_json",
    "replacing",
    "resolve_secret",
    "secret_name",
    "secret_names",
    "size_of",
    "write_atomic",
    "write_json",
]
