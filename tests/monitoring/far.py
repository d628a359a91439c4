"""A deployment whose log is copied to a place that another machine reaches."""

from __future__ import annotations

from lepton_nb.runtime import CHAMPION, read_slots
from lepton_nb.runtime.predlog import PredictionLog
from lepton_nb.runtime.sealing import tend
from lepton_nb.runtime.settings import Settings


def copy(one, url: str) -> None:
    """What the server does every half a minute."""
    one.log.close()
    slots = read_slots(one.folder / "slots.json")
    settings = Settings(slots[CHAMPION], log_dir=one.folder, log_url=url, slots=one.folder / "slots.json")
    tend(settings, set(one.log.closed))
    one.log = PredictionLog(one.folder)
