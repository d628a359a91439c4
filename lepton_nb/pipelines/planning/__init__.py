"""What does a pipeline file ask for, and in which order can it be done?"""

from .document import parse_yaml, read_yaml, typed
from .notebook import declared_names
from .ordering import Plan, plan
from .references import Reference, find, resolve
from .resources import Resources
from .schema import SCHEMA, load
from .spec import Pipeline, StepSpec
from .values import holds, values_of

__all__ = [
    "SCHEMA",
    "Pipeline",
    "Plan",
    "Reference",
    "Resources",
    "StepSpec",
    "declared_names",
    "find",
    "holds",
    "load",
    "parse_yaml",
    "plan",
    "read_yaml",
    "resolve",
    "typed",
    "values_of",
]
