"""The BentoML service of a network that is shipped as source: it says why it does not serve."""

from __future__ import annotations

import bentoml

__all__ = ["Model"]


@bentoml.service(name="model")
class Model:
    """A network that ONNX cannot express."""

    def __init__(self) -> None:
        raise RuntimeError(
            "this package holds the source of a network that ONNX cannot express: it needs torch, and is not served; "
            "next: lepton_nb.load_model('NAME:VERSION') gives the network"
        )

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator] # BentoML has no types
    def predict(self) -> str:
        """Never reached."""
        return ""
