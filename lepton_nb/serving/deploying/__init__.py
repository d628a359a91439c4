"""How does a Bento run on machines of its own? Files for Docker, Kubernetes and systemd; nothing is started."""

from .making import TARGETS, deploy

__all__ = ["TARGETS", "deploy"]
