"""A process that writes a segment and is gone."""

from lepton_nb.monitoring import predictions
from lepton_nb.runtime.predlog import PredictionLog

NOON = 1_700_000_040 - 1_700_000_040 % 60
DAY = 86400
GONE = 2**22 - 3


class GoneLog(PredictionLog):
    """The log of a process that cannot be seen: it lives as long as it is open."""

    number = 1

    def _file_name(self) -> str:
        return f"log-{GONE}-{self.number}.jsonl"


def begin(one, number: int = 1) -> None:
    """A process that writes the segment of this number."""
    one.log.close()
    one.log = GoneLog(one.folder)
    one.log.number = number


def leave(one) -> None:
    """It ends."""
    one.log.close()


def rows_of(one, **wanted) -> list[dict]:
    return [row for batch in predictions(one.ws, one.name, **wanted) for row in batch.to_pylist()]
