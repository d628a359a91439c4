"""What is known of a training from its events, without Jupyter."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..records import Curve, Epoch, Event, Failed, Finished, Line, Note, Progress, Resumed, Started, Usage
from .series import Series

__all__ = ["MOST_SERIES", "Facts", "Training", "fold"]

MOST_SERIES = 32
_NOTES = 20
# Speed is measured over this long: it follows a change, and one slow batch does not make it jump.
_WINDOW_S = 30.0
_SAMPLE_S = 0.5
_SOON_S = 1.0


@dataclass(frozen=True)
class Facts:
    """All but the curves.

    Args:
        title: what the trainer calls its work.
        phase: `waiting`, `running`, `finished`, `stopped`, `failed` or `unseen`.
        text: a closing line.
        epochs: most epochs, 0 when unknown.
        epoch: epochs that have ended.
        total: batches in all, 0 when unknown.
        done: batches done.
        started: when the part of the work began that is going on, a unix time.
        now: when the newest event happened, a unix time.
        before: seconds that earlier parts took, where a training was resumed.
        samples: times and batches done, to measure the speed.
        rate: rows per second; None before the first measurement.
        cpu: processors in use.
        memory: bytes resident.
        peak: most bytes resident so far.
        gpu: share of the time that the GPU was busy; None without one.
        gpu_memory: bytes on the GPU; None without one.
        best: number of the best epoch, counted from 1; None before the first.
        best_step: optimizer steps at its end.
        best_metrics: what was measured at its end.
        notes: lines for people, the newest last.
    """

    title: str = ""
    phase: str = "waiting"
    text: str = ""
    epochs: int = 0
    epoch: int = 0
    total: int = 0
    done: int = 0
    started: float = 0.0
    now: float = 0.0
    before: float = 0.0
    samples: tuple[tuple[float, int], ...] = ()
    rate: float | None = None
    cpu: float | None = None
    memory: int | None = None
    peak: int | None = None
    gpu: float | None = None
    gpu_memory: int | None = None
    best: int | None = None
    best_step: int | None = None
    best_metrics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether it has ended, as far as anybody knows."""
        return self.phase in {"finished", "stopped", "failed", "unseen"}

    @property
    def seconds(self) -> float:
        """How long was worked so far, pauses before a resumption left out."""
        return self.before + max(0.0, self.now - self.started)

    @property
    def left(self) -> float | None:
        """Seconds left at most, at the speed of late; None while it cannot be told."""
        if self.over or not self.total or not self.samples:
            return None
        (begin, first), (end, last) = self.samples[0], self.samples[-1]
        if end - begin < _SOON_S or last <= first:
            return None
        return max(0, self.total - self.done) * (end - begin) / (last - first)


def fold(facts: Facts, event: Event) -> Facts:
    """What is known after one more event."""
    changed: dict[str, Any] = {"now": max(facts.now, event.time)}
    match event:
        case Started(title=title, total=total, epochs=epochs):
            changed |= {"title": title, "phase": "running", "text": "", "total": total, "epochs": epochs}
            changed |= {"started": event.time, "now": event.time, "samples": ()}
            changed["before"] = 0.0 if facts.phase == "waiting" else facts.seconds
        case Resumed():
            changed |= {"phase": "running", "text": ""}
        case Progress(done=done, total=total):
            samples = _sampled(facts.samples, event.time, done)
            changed |= {"done": done, "total": total or facts.total, "samples": samples}
        case Epoch(epoch=epoch, step=step, metrics=metrics, best=best):
            changed["epoch"] = epoch + 1
            if best:
                # The last one that was the best so far is the best of all.
                changed |= {"best": epoch + 1, "best_step": step, "best_metrics": dict(metrics)}
        case Usage(rate=rate, cpu=cpu, memory=memory, gpu=gpu, gpu_memory=gpu_memory):
            changed |= {"rate": rate, "cpu": cpu, "memory": memory, "gpu": gpu, "gpu_memory": gpu_memory}
            changed["peak"] = max(facts.peak or 0, memory)
        case Note(text=text):
            changed["notes"] = (*facts.notes, text)[-_NOTES:]
        case Finished(status=status, text=text):
            changed |= {"phase": "stopped" if status == "stopped" else "finished", "text": text}
        case Failed(error=error, message=message):
            changed |= {"phase": "failed", "text": f"{error}: {message}"}
        case _:
            pass
    return dataclasses.replace(facts, **changed)


def _sampled(samples: tuple[tuple[float, int], ...], time: float, done: int) -> tuple[tuple[float, int], ...]:
    """The samples with one more; the newest takes the place of one that is hardly older."""
    if samples and (done < samples[-1][1] or time < samples[-1][0]):
        return ((time, done),)
    if len(samples) > 1 and time - samples[-2][0] < _SAMPLE_S:
        samples = samples[:-1]
    kept = tuple(sample for sample in samples if time - sample[0] <= _WINDOW_S)
    # With batches that take longer than that, the last two are all there is.
    return (*(kept or samples[-1:]), (time, done))


class Training:
    """A training as its events tell it.

    Args:
        run: id of the run.
        name: what people call it.
    """

    def __init__(self, run: str, name: str) -> None:
        self.run, self.name = run, name
        self.facts = Facts()
        self.series: dict[str, Series] = {}
        self.unseen: set[str] = set()

    def take(self, event: Event) -> None:
        """Take one event."""
        self.facts = fold(self.facts, event)
        match event:
            case Started():
                for one in self.series.values():
                    one.go_on()
            case Curve(step=step, metrics=metrics) | Epoch(step=step, metrics=metrics):
                for name, value in metrics.items():
                    self._measured(name, step, value)
            case _:
                pass

    def leave(self, text: str) -> None:
        """Nobody will tell more of it here."""
        self.facts = dataclasses.replace(self.facts, phase="unseen", text=text)

    def lines(self) -> list[Line]:
        """The curves, in the order in which they were first heard of."""
        return [one.line() for one in self.series.values()]

    def _measured(self, name: str, step: int, value: float) -> None:
        if name not in self.series:
            if len(self.series) == MOST_SERIES:
                # Counted as far as a person reads; the run's own records have them all.
                if len(self.unseen) < 10 * MOST_SERIES:
                    self.unseen.add(name)
                return
            self.series[name] = Series(name)
        self.series[name].add(step, value)
