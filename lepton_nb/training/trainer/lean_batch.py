"""The way of a batch through Lightning's training, made short.

All hooks are called, all numbers counted and all values logged as Lightning itself does it, in the same order. What is
not there for certain (several processes, sums of gradients, an epoch that is being resumed, a validation that is due)
is left to Lightning, batch by batch.
"""

# ruff: noqa: SLF001 -- these are the insides of one version of Lightning, and there is no other way to them.

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .lean_adam import LeanAdam

__all__ = ["RUNNING", "Batch", "Step"]

# Where a network keeps the name of the hook that runs.
RUNNING = "_current_fx_name"
# The only fetcher that hands out a batch at a time.
_FETCHER = "_PrefetchDataFetcher"


def _zero_grad(optimizer: Any) -> None:
    """Forget the gradients as torch does, without a mark for its profiler."""
    if type(optimizer).zero_grad is not torch.optim.Optimizer.zero_grad or "zero_grad" in vars(optimizer):
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def _count(progress: Any, what: str) -> None:
    for one in (vars(progress.total), vars(progress.current)):
        one[what] += 1


def _tell(trainer: Any, module: Any, name: str, *args: Any) -> Any:
    """Call a hook of the callbacks and of the network; what the network's returned."""
    own = vars(module)
    before, own[RUNNING] = own.get(RUNNING), name
    for callback in trainer.callbacks:
        hook = getattr(callback, name)
        if callable(hook):
            hook(trainer, module, *args)
    hook = getattr(module, name)
    answer = hook(*args) if callable(hook) else None
    own[RUNNING] = before
    return answer


class Step:
    """Forward, backward and a step of the only optimizer.

    Args:
        trainer: Lightning's Trainer.
        module: the network.
        steps: Lightning's loop of automatic optimization, which counts the steps.
        propagates_plainly: whether a loss is propagated as Lightning does it, not in the network's own way.
    """

    def __init__(self, trainer: Any, module: Any, steps: Any, propagates_plainly: bool) -> None:
        self._trainer, self._module, self._steps = trainer, module, steps
        self._as_ever, self._counts = steps.run, steps.optim_progress.optimizer
        self._was_called = False
        self._optimizer: Any = None
        # Set where the network propagates in its own way.
        self._backward = None if propagates_plainly else module.backward

    def run(self, optimizer: Any, batch_idx: int, kwargs: Any) -> Any:
        """What the training step returned, with a copy of its loss."""
        trainer, own = self._trainer, vars(self._module)
        is_simple = trainer.accumulate_grad_batches == 1 and trainer.strategy.model is self._module
        if not is_simple or self._steps._skip_backward:
            return self._as_ever(optimizer, batch_idx, kwargs)
        result: dict[str, Any] = {}
        self._was_called = False
        _count(self._counts.step, "ready")
        before, own[RUNNING] = own[RUNNING], "optimizer_step"
        self._optimizing(optimizer).step(partial(self._closure, optimizer, kwargs, result))
        own[RUNNING] = before
        if "loss" not in result and not self._was_called:
            raise RuntimeError(
                "The optimizer has not called its closure, so nothing was learned: pass `closure` on to `step`."
            )
        _count(self._counts.step, "completed")
        return result

    def _optimizing(self, optimizer: Any) -> LeanAdam:
        if optimizer is not self._optimizer:
            self._optimizer, self._adam = optimizer, LeanAdam(optimizer)
        return self._adam

    def _closure(self, optimizer: Any, kwargs: Any, result: dict[str, Any]) -> Any:
        if not torch.is_grad_enabled():
            with torch.enable_grad():
                return self._closure(optimizer, kwargs, result)
        self._was_called = True
        trainer, module, zeroed = self._trainer, self._module, self._counts.zero_grad
        own = vars(module)
        own[RUNNING] = "training_step"
        output = module.training_step(*kwargs.values())
        own[RUNNING] = "optimizer_step"
        loss = self._loss(output, result)
        _count(zeroed, "ready")
        _tell(trainer, module, "on_before_zero_grad", optimizer)
        _count(zeroed, "started")
        _zero_grad(optimizer)
        _count(zeroed, "completed")
        if loss is not None:
            _tell(trainer, module, "on_before_backward", loss)
            if self._backward is None:
                loss.backward()
            else:
                own[RUNNING] = "backward"
                self._backward(loss)
                own[RUNNING] = "optimizer_step"
            _tell(trainer, module, "on_after_backward")
        _tell(trainer, module, "on_before_optimizer_step", optimizer)
        if trainer.gradient_clip_val:
            module.clip_gradients(optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)
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


class Batch:
    """What Lightning does with a batch before and behind its step.

    Args:
        trainer: Lightning's Trainer, with one process and one precision.
        module: the network.
        step: does the step.
        steps_plainly: whether a schedule is stepped as Lightning does it, not in the network's own way.
    """

    def __init__(self, trainer: Any, module: Any, step: Step, steps_plainly: bool) -> None:
        self._trainer, self._module, self._step, self._steps_plainly = trainer, module, step, steps_plainly
        self._loop, self._connector = trainer.fit_loop.epoch_loop, trainer._logger_connector
        self._begin_as_ever, self._end_as_ever = self._loop.advance, self._loop.on_advance_end
        self._is_short = False

    def take_over(self) -> None:
        """Have Lightning's loop call this instead of its own."""
        self._loop.advance, self._loop.on_advance_end = self.advance, self.on_advance_end

    def advance(self, fetcher: Any) -> None:
        """Do the next batch.

        Raises:
            StopIteration: there is none, or the network says that the epoch is over.
        """
        trainer, module, loop = self._trainer, self._module, self._loop
        self._is_short = (
            not loop._restarting
            and trainer.accumulate_grad_batches == 1
            and type(fetcher).__name__ == _FETCHER
            and module.automatic_optimization
        )
        if not self._is_short:
            self._begin_as_ever(fetcher)
            return
        progress, results, told = loop.batch_progress, loop._results, self._connector
        loop.val_loop._restarting = False
        batch, _, _ = next(fetcher)
        index = progress.current.ready
        progress.is_last_batch = fetcher.done
        batch = module._on_before_batch_transfer(batch, dataloader_idx=0)
        batch = trainer.strategy.batch_to_device(batch, dataloader_idx=0)
        _count(progress, "ready")
        told._first_loop_iter = told._first_loop_iter is None
        results.batch, results.batch_size, results.dataloader_idx = batch, None, None
        output = None
        if batch is None:
            loop._warning_cache.warn("a train dataloader gave None for a batch, which is passed over")
        elif self._is_over(batch, index):
            self._leave(progress)
            raise StopIteration
        else:
            _count(progress, "started")
            output = self._step.run(trainer.optimizers[0], index, loop._build_kwargs({}, batch, index))
        _count(progress, "processed")
        self._schedule(index, is_last=loop._num_ready_batches_reached())
        _tell(trainer, module, "on_train_batch_end", output, batch, index)
        if results:
            told.on_batch_end()
        else:
            results.batch = results.batch_size = None
        _count(progress, "completed")
        if results:
            told.update_train_step_metrics()

    def on_advance_end(self, fetcher: Any) -> None:
        """Validate when it is time to."""
        trainer, loop = self._trainer, self._loop
        every = trainer.val_check_batch
        is_between = (
            self._is_short
            and not trainer.should_stop
            and trainer.check_val_every_n_epoch is not None
            and trainer._val_check_time_interval is None
            and every not in (None, 0, math.inf)
            and loop.batch_progress.current.ready % every
            and not loop.batch_progress.is_last_batch
            and not loop._skip_next_val
            and not trainer.received_sigterm
        )
        if not is_between:
            self._end_as_ever(fetcher)
            return
        if any(config.reduce_on_plateau for config in trainer.lr_scheduler_configs):
            loop.update_lr_schedulers("step", update_plateau_schedulers=True)
        loop._batches_that_stepped += 1

    def _is_over(self, batch: Any, index: int) -> bool:
        """Tell that a batch begins; whether the network wants none any more."""
        answer = _tell(self._trainer, self._module, "on_train_batch_start", batch, index)
        hook = self._trainer.strategy.on_train_batch_start
        if callable(hook):
            hook(batch, index)
        return bool(answer == -1)

    def _leave(self, progress: Any) -> None:
        """The network wants no more of this epoch."""
        progress.increment_by(0, is_last_batch=True)
        _count(progress, "processed")
        self._loop.update_lr_schedulers("step", update_plateau_schedulers=False)
        self._loop.update_lr_schedulers("epoch", update_plateau_schedulers=False)

    def _schedule(self, index: int, *, is_last: bool) -> None:
        loop = self._loop
        if self._steps_plainly:
            for config in self._trainer.lr_scheduler_configs:
                if config.interval == "step" and not config.reduce_on_plateau and (index + 1) % config.frequency == 0:
                    _count(loop.scheduler_progress, "ready")
                    config.scheduler.step()
                    _count(loop.scheduler_progress, "completed")
        else:
            loop.update_lr_schedulers("step", update_plateau_schedulers=False)
        if is_last:
            loop.update_lr_schedulers("epoch", update_plateau_schedulers=False)
