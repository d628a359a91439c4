"""`lepton models`: the networks that have a name, and what they are made of."""

from __future__ import annotations

from typing import Annotated, Any

from ..errors import NotFoundError, UsageError
from ..records import Data, Layers, Networks
from ..workspace import current
from .declare import Arg
from .find import network_of, options_of, run_of, training_data_of
from .fit_options import NetworkArguments, Source, Target

_NET = Arg("the name of a network, a LightningModule class, or a run.", "NET", completes="network")


def models_list() -> Networks:
    """List the networks that `lepton train` knows by a name; `models show` draws one."""
    from .. import models as zoo

    return Networks(zoo.networks())


def models_show(
    network: Annotated[object, _NET], *, data: Source = None, target: Target = None, net: NetworkArguments = ()
) -> Layers:
    """Draw the layers of a network: what each gives for a row, and how many numbers it learns.

    It is built for DATA, or for rows of a usual size; of a run it is the trained one.
    """
    from .. import figures
    from .. import models as zoo
    from ..models.layers import layers_of

    spec, module = _built(network, data, target, options_of(net))
    row = spec.feature_shape
    found = layers_of(module, row, reads_tokens=bool(spec.options.get("vocabulary")))
    parameters = sum(one.numel() for one in module.parameters())
    options = zoo.options_of(spec.name) if spec.kind == "zoo" else ()
    return Layers(spec.name, row, found, parameters, options, figures.layers(spec.name, row, found))


def _built(network: object, data: object, target: str | None, options: dict[str, Any]) -> tuple[Any, Any]:
    """What a network was or is asked to be, and the network."""
    from .. import models as zoo
    from .. import training

    ws = current()
    try:
        kind = network_of(network)
    except NotFoundError as unknown:
        try:
            run = run_of(ws, network)
        except NotFoundError:
            raise unknown from None
        return training.Job.read(run.path).spec(), zoo.load_trained(run.path)
    if data is not None:
        rows = training_data_of(ws, kind, data, target)
        source = rows if isinstance(rows, Data) else training.loaders_of(rows)
        spec = training.specified(kind, source, options, None)
    elif isinstance(kind, str):
        spec = zoo.usual(kind, options)
    else:
        raise UsageError("the rows of a network of your own are not known", hint="--data DATA")
    return spec, spec.build()
