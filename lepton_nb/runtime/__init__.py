"""What does a served model run on? Copied into every Bento as `lepton_runtime`; imports nothing of the floors above.

Here are the formats, which need the standard library alone; `.model` and `.summary` need numpy, `.asgi` is the app.
"""

from .errors import ModelError, RequestError
from .formats import (
    CHAMPION,
    FORMAT,
    Input,
    Manifest,
    Signature,
    Slot,
    manifest_of,
    read_object,
    read_signature,
    read_slots,
    slots_object,
    uuid7,
    verify_manifest,
)
from .reference import Distribution, Reference, read_reference

__all__ = [
    "CHAMPION",
    "FORMAT",
    "Distribution",
    "Input",
    "Manifest",
    "ModelError",
    "Reference",
    "RequestError",
    "Signature",
    "Slot",
    "manifest_of",
    "read_object",
    "read_reference",
    "read_signature",
    "read_slots",
    "slots_object",
    "uuid7",
    "verify_manifest",
]
