"""Requests that wait at the same moment are answered by one run of the model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from .answers import Answers, parted
from .model import Model

__all__ = ["Batcher"]

_MOST_ROWS = 256
# What takes longer than this would hold up the event loop: it runs in a thread.
_SLOW_S = 0.002
# What more rows take shows only where there are some.
_TRIES, _TRIED_ROWS = 5, 17

_Arrays = Mapping[str, np.ndarray[Any, Any]]
_Batch = list[tuple[_Arrays, int, asyncio.Future[Answers]]]


class Batcher:
    """Runs a model for all requests that are at hand.

    A request that is alone is run at once: nothing is waited for. While a batch that takes long runs in a thread, those
    that come meanwhile gather, and are the next batch.

    Args:
        model: the model, warmed up.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._waiting: _Batch = []
        self._is_scheduled = False
        self.first_s = self.more_s = self._seconds(1)
        # A model that is slow with one row is not asked for more.
        if self.first_s <= _SLOW_S:
            self.more_s = max(0.0, (self._seconds(_TRIED_ROWS) - self.first_s) / (_TRIED_ROWS - 1))

    def _seconds(self, rows: int) -> float:
        """What some rows take."""
        taken = []
        for _ in range(_TRIES):
            begun = time.perf_counter()
            self._model.warm_up(rows)
            taken.append(time.perf_counter() - begun)
        return min(taken)

    async def predict(self, inputs: _Arrays) -> Answers:
        """The answers to a request's rows, as `Model.predict`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answers] = loop.create_future()
        self._waiting.append((inputs, len(next(iter(inputs.values()))), future))
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._begin)
        return await future

    def _begin(self) -> None:
        is_handed = False
        try:
            while self._waiting:
                batch = self._next()
                if is_handed := self._is_long(batch):
                    # The loop itself keeps no hold of a task.
                    self._task = asyncio.ensure_future(self._work(batch))
                    return
                self._settle(batch, self._run(batch))
        finally:
            self._is_scheduled = is_handed

    def _is_long(self, batch: _Batch) -> bool:
        """Whether a batch would hold up the event loop."""
        more = sum(size for _, size, _ in batch) - 1
        return self.first_s + more * self.more_s > _SLOW_S

    async def _work(self, batch: _Batch) -> None:
        try:
            while batch:
                self._settle(batch, await asyncio.to_thread(self._run, batch))
                batch = self._next()
        finally:
            self._is_scheduled = False

    def _next(self) -> _Batch:
        rows, count = 0, 0
        for _, size, _ in self._waiting:
            if count and rows + size > _MOST_ROWS:
                break
            rows, count = rows + size, count + 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _run(self, batch: list[tuple[_Arrays, int, Any]]) -> list[Answers | Exception]:
        if len(batch) > 1:
            try:
                together = {name: np.concatenate([one[0][name] for one in batch]) for name in batch[0][0]}
                whole = self._model.predict(together)
            except Exception:  # noqa: BLE001 - whose fault it is shows when each runs alone
                return [self._alone(inputs) for inputs, _, _ in batch]
            return list(parted(whole, [size for _, size, _ in batch]))
        return [self._alone(batch[0][0])]

    def _alone(self, inputs: _Arrays) -> Answers | Exception:
        try:
            answers: Answers = self._model.predict(inputs)
        except Exception as cause:  # noqa: BLE001 - the request that asked is told
            return cause
        return answers

    @staticmethod
    def _settle(batch: list[tuple[_Arrays, int, Any]], answers: list[Answers | Exception]) -> None:
        for (_, _, future), answer in zip(batch, answers, strict=True):
            if future.cancelled():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
