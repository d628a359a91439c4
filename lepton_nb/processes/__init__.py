"""How is a process started so that it outlives us, and is it still the same one?"""

from .detached import start, stop
from .identity import Identity, identify, is_alive
from .ports import free_port, port_owner

__all__ = ["Identity", "free_port", "identify", "is_alive", "port_owner", "start", "stop"]
