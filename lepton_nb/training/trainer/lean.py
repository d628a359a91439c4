"""Lightning without the work that nobody asked for.

At each batch Lightning calls a dozen hooks, and nearly all of them do nothing. It passes over one that is not callable,
so an empty hook is made so. And the name of the running hook is kept in the network by way of `nn.Module.__setattr__`,
which looks at each value as if it were a parameter: a text is none.

The rest stands on the insides of one version of Lightning; another one goes without it. Hooks are called without a line
for a log and a profiler that nobody reads. Whether a training step takes the number of its batch is looked up once. A
batch that lies in the CPU's memory is not moved there. And a batch, with the step of its only optimizer, is a few
functions instead of dozens (`lean_batch`). Whatever a network, a strategy or a precision does in its own way is done
as ever.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from .lean_batch import RUNNING, Batch, Step

__all__ = ["make_lean"]

# Called at every batch.
_HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)
_TRANSFER = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
_OPTIMIZING = ("configure_gradient_clipping", "optimizer_step", "optimizer_zero_grad")
_NOBODYS = "leaves_batches"
# Those whose insides are known here.
_VERSIONS = ("2.6.6",)


def make_lean(library: Any, module: Any, trainer: Any) -> None:
    """Take what does nothing out of the way of a training; whatever somebody has overridden stays.

    Args:
        library: `pytorch_lightning` or `lightning.pytorch`.
        module: the network; it is changed.
        trainer: Lightning's Trainer, which has not begun; its parts are changed.
    """
    for owner, base in (
        (module, library.LightningModule),
        (trainer.strategy, library.strategies.Strategy),
        *((one, library.Callback) for one in trainer.callbacks),
    ):
        for name in _HOOKS:
            if _is_as_ever(owner, base, name):
                vars(owner)[name] = None
    if library.LightningModule.__setattr__ is nn.Module.__setattr__:
        library.LightningModule.__setattr__ = _set_attribute
    silent = importlib.import_module(f"{library.__name__}.profilers").PassThroughProfiler
    if library.__version__ in _VERSIONS and type(trainer.profiler) is silent:
        calls = importlib.import_module(f"{library.__name__}.trainer.call")
        if calls._call_strategy_hook.__module__ == calls.__name__:  # noqa: SLF001 -- and so in all that follows
            _call_directly(calls, silent)
            _leave_batches(library)
        _shorten(library, module, trainer, calls)


def _is_as_ever(owner: Any, base: type, name: str) -> bool:
    """Whether an object's method is the one of Lightning's base class."""
    return getattr(type(owner), name, None) is getattr(base, name, ...) and name not in vars(owner)


def _set_attribute(module: Any, name: str, value: Any) -> None:
    if name == RUNNING:
        vars(module)[name] = value
    else:
        nn.Module.__setattr__(module, name, value)


def _call_directly(calls: Any, silent: type) -> None:
    """Have hooks called without a log and a profiler, where the profiler is the one that does nothing."""
    of_module, of_strategy, of_callbacks = (
        calls._call_lightning_module_hook,  # noqa: SLF001
        calls._call_strategy_hook,  # noqa: SLF001
        calls._call_callback_hooks,  # noqa: SLF001
    )

    def running(network: Any, name: str, function: Any, *args: Any, **kwargs: Any) -> Any:
        own = vars(network)
        before, own[RUNNING] = own[RUNNING], name
        answer = function(*args, **kwargs)
        own[RUNNING] = before
        return answer

    def call_module(trainer: Any, hook_name: str, *args: Any, pl_module: Any = None, **kwargs: Any) -> Any:
        network = trainer.lightning_module if pl_module is None else pl_module
        if network is None or type(trainer.profiler) is not silent:
            return of_module(trainer, hook_name, *args, pl_module=pl_module, **kwargs)
        hook = getattr(network, hook_name)
        return running(network, hook_name, hook, *args, **kwargs) if callable(hook) else None

    def call_strategy(trainer: Any, hook_name: str, *args: Any, **kwargs: Any) -> Any:
        if type(trainer.profiler) is not silent:
            return of_strategy(trainer, hook_name, *args, **kwargs)
        hook = getattr(trainer.strategy, hook_name)
        return running(trainer.lightning_module, hook_name, hook, *args, **kwargs) if callable(hook) else None

    def call_callbacks(
        trainer: Any, hook_name: str, *args: Any, monitoring_callbacks: bool | None = None, **kwargs: Any
    ) -> None:
        network = trainer.lightning_module
        if network is None or monitoring_callbacks is not None or type(trainer.profiler) is not silent:
            of_callbacks(trainer, hook_name, *args, monitoring_callbacks=monitoring_callbacks, **kwargs)
            return
        for callback in trainer.callbacks:
            hook = getattr(callback, hook_name)
            if callable(hook):
                running(network, hook_name, hook, trainer, network, *args, **kwargs)

    calls._call_lightning_module_hook = call_module  # noqa: SLF001
    calls._call_strategy_hook = call_strategy  # noqa: SLF001
    calls._call_callback_hooks = call_callbacks  # noqa: SLF001


def _leave_batches(library: Any) -> None:
    """Leave batches alone that lie in the CPU's memory when they shall, and that nobody wants to change on the way."""
    base = library.LightningModule
    before, apply = base._on_before_batch_transfer, base._apply_batch_transfer_handler  # noqa: SLF001

    def is_nobodys(module: Any) -> bool:
        trainer = vars(module).get("_trainer")
        selector = trainer and trainer._data_connector._datahook_selector  # noqa: SLF001
        if not selector:
            return False
        known = vars(selector)
        if _NOBODYS not in known:
            owners = [(selector.model, base), (selector.datamodule, library.LightningDataModule)]
            known[_NOBODYS] = all(
                owner is None or _is_as_ever(owner, kind, name) for owner, kind in owners for name in _TRANSFER
            )
        return bool(known[_NOBODYS])

    def before_transfer(module: Any, batch: Any, dataloader_idx: int = 0) -> Any:
        return batch if is_nobodys(module) else before(module, batch, dataloader_idx)

    def transfer(module: Any, batch: Any, device: Any = None, dataloader_idx: int = 0) -> Any:
        stays = (
            device is not None
            and device.type == "cpu"
            and type(batch) in (tuple, list)
            and all(type(value) is Tensor and value.device == device for value in batch)
            and is_nobodys(module)
        )
        return batch if stays else apply(module, batch, device, dataloader_idx)

    base._on_before_batch_transfer, base._apply_batch_transfer_handler = before_transfer, transfer  # noqa: SLF001


def _shorten(library: Any, module: Any, trainer: Any, calls: Any) -> None:
    """Make the way of a batch through a training shorter."""
    strategy, loop = trainer.strategy, trainer.fit_loop.epoch_loop
    # These tell the profiler when a batch is loaded.
    loop._on_before_fetch = loop._on_after_fetch = _nothing  # noqa: SLF001
    loop._build_kwargs = partial(_arguments, loop._build_kwargs, module, {})  # noqa: SLF001
    precision = importlib.import_module(f"{library.__name__}.plugins").Precision
    if (
        type(strategy) is importlib.import_module(f"{library.__name__}.strategies").SingleDeviceStrategy
        and type(trainer.precision_plugin) is precision
        and all(_is_as_ever(module, library.LightningModule, name) for name in _OPTIMIZING)
    ):
        is_plain = partial(_is_as_ever, module, library.LightningModule)
        step = Step(trainer, module, loop.automatic_optimization, is_plain("backward"))
        loop.automatic_optimization.run = step.run
        Batch(trainer, module, step, is_plain("lr_scheduler_step")).take_over()


def _nothing() -> None:
    pass


def _arguments(build: Callable[..., Any], module: Any, known: dict[Any, bool], kwargs: Any, *batch: Any) -> Any:
    """What a training step takes, its signature looked at once."""
    step = getattr(module.training_step, "__func__", module.training_step)
    if step not in known:
        built = build(kwargs, *batch)
        known[step] = "batch_idx" in built
        return built
    kwargs["batch"] = batch[0]
    if known[step]:
        kwargs["batch_idx"] = batch[1]
    return kwargs
