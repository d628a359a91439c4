"""Lightning without the work that nobody asked for.

At each batch Lightning calls a dozen hooks, and nearly all of them do nothing. It passes over one that is not callable,
so an empty hook is made so. And the name of the running hook is kept in the network by way of `nn.Module.__setattr__`,
which looks at each value as if it were a parameter: a text is none.

The rest stands on the insides of one version of Lightning; another one goes without it. Hooks are called without a line
for a log and a profiler that nobody reads. Whether a training step takes the number of its batch is looked up once. A
batch that lies in the CPU's memory is not moved there. And a step of one optimizer is one function instead of a dozen.
Whatever a network, a strategy or a precision does in its own way is done as ever.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

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
_OPTIMIZING = ("backward", "configure_gradient_clipping", "optimizer_step", "optimizer_zero_grad")
_RUNNING = "_current_fx_name"
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
    if name == _RUNNING:
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
        before, own[_RUNNING] = own[_RUNNING], name
        answer = function(*args, **kwargs)
        own[_RUNNING] = before
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
        steps = loop.automatic_optimization
        steps.run = _Step(trainer, module, steps, calls).run


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


def _zero_grad(optimizer: Any) -> None:
    """Forget the gradients as torch does, without a mark for its profiler."""
    if type(optimizer).zero_grad is not torch.optim.Optimizer.zero_grad or "zero_grad" in vars(optimizer):
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


class _Step:
    """Forward, backward and a step of the only optimizer, with all hooks of Lightning in their order.

    Args:
        trainer: Lightning's Trainer.
        module: the network.
        steps: Lightning's loop of automatic optimization, which counts the steps.
        calls: Lightning's module of calls.
    """

    def __init__(self, trainer: Any, module: Any, steps: Any, calls: Any) -> None:
        self._trainer, self._module, self._steps, self._calls = trainer, module, steps, calls
        self._as_ever, self._counts = steps.run, steps.optim_progress.optimizer
        self._was_called = False

    def run(self, optimizer: Any, batch_idx: int, kwargs: Any) -> Any:
        """What the training step returned, with a copy of its loss."""
        trainer, own = self._trainer, vars(self._module)
        is_simple = trainer.accumulate_grad_batches == 1 and trainer.strategy.model is self._module
        if not is_simple or self._steps._skip_backward:  # noqa: SLF001
            return self._as_ever(optimizer, batch_idx, kwargs)
        result: dict[str, Any] = {}
        self._was_called = False
        self._counts.step.increment_ready()
        before, own[_RUNNING] = own[_RUNNING], "optimizer_step"
        optimizer.step(closure=partial(self._closure, optimizer, kwargs, result))
        own[_RUNNING] = before
        if "loss" not in result and not self._was_called:
            raise RuntimeError(
                "The optimizer has not called its closure, so nothing was learned: pass `closure` on to `step`."
            )
        self._counts.step.increment_completed()
        return result

    def _closure(self, optimizer: Any, kwargs: Any, result: dict[str, Any]) -> Any:
        if not torch.is_grad_enabled():
            with torch.enable_grad():
                return self._closure(optimizer, kwargs, result)
        self._was_called = True
        trainer, own, zeroed = self._trainer, vars(self._module), self._counts.zero_grad
        own[_RUNNING] = "training_step"
        output = self._module.training_step(*kwargs.values())
        own[_RUNNING] = "optimizer_step"
        loss = self._loss(output, result)
        zeroed.increment_ready()
        self._hooks("on_before_zero_grad", optimizer)
        zeroed.increment_started()
        _zero_grad(optimizer)
        zeroed.increment_completed()
        if loss is not None:
            self._hooks("on_before_backward", loss)
            loss.backward()
            self._hooks("on_after_backward")
        self._hooks("on_before_optimizer_step", optimizer)
        if trainer.gradient_clip_val:
            self._module.clip_gradients(optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)
        return result.get("loss")

    def _loss(self, output: Any, result: dict[str, Any]) -> Any:
        extra = {}
        if not isinstance(output, Tensor):
            made = self._steps.output_result_cls.from_training_step_output(output)
            output, extra = made.closure_loss, made.extra
        if output is None:
            warnings.warn("training_step returned None: nothing was learned from that batch", stacklevel=2)
            return None
        # A copy, since whoever keeps what the step returned may change it.
        result |= {"loss": output.detach().clone(), **extra}
        return output

    def _hooks(self, name: str, *args: Any) -> None:
        self._calls._call_callback_hooks(self._trainer, name, *args)  # noqa: SLF001
        self._calls._call_lightning_module_hook(self._trainer, name, *args)  # noqa: SLF001
