"""Where does an agent act, and how does it learn from that?"""

from .environments import PARTS, Environment, environment, is_environment
from .episodes import Episodes
from .layouts import walked
from .seen import write_seen
from .settings import AGENT_OPTIONS, defaults

__all__ = [
    "AGENT_OPTIONS",
    "PARTS",
    "Environment",
    "Episodes",
    "defaults",
    "environment",
    "is_environment",
    "walked",
    "write_seen",
]
