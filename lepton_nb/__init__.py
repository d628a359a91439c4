"""From the lab to production without leaving Jupyter."""

__version__ = "0.1.0"
