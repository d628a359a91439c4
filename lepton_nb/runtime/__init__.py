"""What does a served model run on? Copied into every Bento as `lepton_runtime`; imports nothing of the floors above.

Here are the formats, which need the standard library alone; `.model` and `.summary` need numpy, `.asgi` is the app.
"""

from .errors import ModelError, RequestError
from .formats import (
    FORMAT,
    LARGEST_LABEL,
    Input,
    Manifest,
    Output,
    Signature,
    Tokens,
    manifest_of,
    read_object,
    read_signature,
    uuid7,
    verify_manifest,
)
from .plans import CHALLENGER, CHAMPION, Plan, Slot, read_plan, read_slots, slots_object
from .reference import Distribution, Reference, read_reference

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "FORMAT",
    "LARGEST_LABEL",
    "Distribution",
    "Input",
    "Manifest",
    "ModelError",
    "Output",
    "Plan",
    "Reference",
    "RequestError",
    "Signature",
    "Slot",
    "Tokens",
    "manifest_of",
    "read_object",
    "read_plan",
    "read_reference",
    "read_signature",
    "read_slots",
    "slots_object",
    "uuid7",
    "verify_manifest",
]
