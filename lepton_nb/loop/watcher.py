"""The process of a watch: one step after the other, until it is stopped."""

from __future__ import annotations

import signal
import threading
import time
import traceback
from types import FrameType

from .. import monitoring
from ..errors import ConflictError
from ..processes import identify
from ..records import Event, Note
from ..workspace import Workspace, locked, mask, read_json, write_json
from .context import Context
from .machine import step
from .options import WatchOptions
from .place import Place, State, place_of

__all__ = ["OPTIONS", "PROCESS", "watch"]

OPTIONS, PROCESS = "watch.json", "process.json"
_TICK_S = 0.5
# A look that takes long is followed by a pause, so that it takes no more than half of the time, but by no long one.
_SHARE, _LONGEST_PAUSE_S = 1.0, 5.0
_LONGEST_S = 30.0
_LOOKS = ("watching",)


def watch(ws: Workspace, deployment: str) -> None:
    """Watch a deployment until this process is stopped, from its last decision on.

    Args:
        ws: the workspace.
        deployment: its name; `watch.json` in the watch's folder says how.

    Raises:
        ConflictError: another process watches it.
        FormatError: what was recorded cannot be read.
    """
    place = place_of(ws, deployment)
    try:
        with locked(place.folder / "lock", timeout=0.0):
            options = WatchOptions.from_dict(read_json(place.folder / OPTIONS)["options"])
            _Watcher(Context(ws, deployment, options, place, _tell), place).run()
    except ConflictError as cause:
        raise ConflictError(
            f"deployment {deployment!r} is watched by another process", hint=f"lepton stop watch-{deployment}"
        ) from cause


class _Watcher:
    def __init__(self, ctx: Context, place: Place) -> None:
        self._ctx, self._place = ctx, place
        self._identity = identify()
        self._told = ("", "")
        self._looked = 0.0
        self._faults = 0

    def run(self) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        alerts = _Alerts(self._ctx)
        try:
            state = self._place.mend()
            self._record("running", "")
            alerts.start()
            while True:
                state = self._turn(state, alerts)
        except KeyboardInterrupt:
            self._record("stopped", "")
        except BaseException as cause:
            self._record("failed", str(cause))
            raise

    def _turn(self, state: State, alerts: _Alerts) -> State:
        """One step, and the pause behind it."""
        before, began = state, time.monotonic()
        try:
            if self._is_early(state):
                time.sleep(_TICK_S)
                return state
            state = step(self._ctx, state)
        except Exception as cause:  # noqa: BLE001 - a watch outlives what it meets, tells it, and tries again
            return self._troubled(str(cause) or type(cause).__name__)
        self._faults, self._looked = 0, time.time()
        self._record("running", alerts.trouble)
        if state.decisions == before.decisions:
            time.sleep(max(_TICK_S, min(_SHARE * (time.monotonic() - began), _LONGEST_PAUSE_S)))
        return state

    def _troubled(self, trouble: str) -> State:
        """The state as it was recorded, which is the truth whatever the step was about to do; after a pause."""
        if trouble != self._told[1]:
            traceback.print_exc()
        self._faults += 1
        self._record("running", trouble)
        time.sleep(min(_TICK_S * 2.0**self._faults, _LONGEST_S))
        return self._place.mend()

    def _is_early(self, state: State) -> bool:
        """Whether only a change of the champion is looked for yet."""
        if state.stage not in _LOOKS or not state.champion or self._ctx.champion().bento != state.champion:
            return False
        return time.time() - self._looked < self._ctx.options.every

    def _record(self, status: str, trouble: str) -> None:
        if (status, trouble) == self._told:
            return
        self._told = (status, trouble)
        about = {"pid": self._identity.pid, "started": self._identity.started}
        write_json(self._place.folder / PROCESS, {**about, "status": status, "trouble": mask(trouble)}, mode=0o600)


class _Alerts(threading.Thread):
    """Alerts are looked at for themselves, so that a long retraining delays none."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(name="lepton-alerts", daemon=True)
        self._ctx = ctx
        self.trouble = ""

    def run(self) -> None:
        while True:
            try:
                monitoring.evaluate_alerts(self._ctx.ws, self._ctx.deployment())
                self.trouble = ""
            except Exception as cause:  # noqa: BLE001 - what is amiss is told, and tried again
                self.trouble = f"alerts: {cause}"
            time.sleep(self._ctx.options.every)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell(event: Event) -> None:
    if isinstance(event, Note):
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(event.time))
        print(f"{stamp} {mask(event.text)}", flush=True)  # noqa: T201 - standard output is the watch's log
