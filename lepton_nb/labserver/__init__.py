"""What may JupyterLab ask the Jupyter server about the project?"""

from .extension import _jupyter_server_extension_points, _load_jupyter_server_extension

__all__ = ["_jupyter_server_extension_points", "_load_jupyter_server_extension"]
