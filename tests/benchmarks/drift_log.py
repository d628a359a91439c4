"""A deployment that has answered a year of bulk requests: the log of bench_drift.py's `window_view`."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
from serving_sides import quiet

_NAME = "year"
_COLUMNS = 8


def deployed(home: Path) -> tuple[Any, str, Any]:
    """A workspace with a deployment of a network that was trained on a small table, and the engine that answers."""
    import pandas as pd

    import lepton_nb
    from lepton_nb.runtime import CHAMPION, Slot, slots_object
    from lepton_nb.runtime.batching import Batcher
    from lepton_nb.runtime.engine import Engine, Logging
    from lepton_nb.runtime.model import Model
    from lepton_nb.runtime.predlog import PredictionLog
    from lepton_nb.workspace import Workspace, write_json

    ws = Workspace(home)
    values, places = rows_of(20_000, seed=0)
    frame = pd.DataFrame(values, columns=[f"number_{place}" for place in range(_COLUMNS)])
    for column, texts in places.items():
        frame[column] = texts
    frame["y"] = np.where(values[:, 0] + np.random.default_rng(1).normal(size=len(frame)) > 0, "yes", "no")
    with quiet():
        run = lepton_nb.train("mlp", data=lepton_nb.data_load(frame, target="y", name="table"), epochs=2)
        bento = lepton_nb.package(run)
    folder = ws.deployment(_NAME)
    folder.mkdir(parents=True)
    slots = slots_object({CHAMPION: Slot(bento.tag, bento.model)})
    write_json(folder / "slots.json", {"slots": slots["slots"]})
    model = Model.load(bento.model)
    logging = Logging(PredictionLog(folder), PredictionLog(folder, name="bulk", suffix="records"))
    return ws, _NAME, Engine(model, Batcher(model), CHAMPION, bento.tag, logging)


def rows_of(rows: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Eight numbers and two texts per row."""
    rng = np.random.default_rng(seed)
    sizes = {"text_0": 4, "text_1": 20}
    names = {column: np.array([f"value {place}" for place in range(size)]) for column, size in sizes.items()}
    return rng.normal(size=(rows, _COLUMNS)), {
        column: texts[rng.integers(0, len(texts), rows)] for column, texts in names.items()
    }


def body_of(rows: int, seed: int) -> bytes:
    """A bulk request."""
    import pyarrow as pa

    values, places = rows_of(rows, seed)
    columns: dict[str, Any] = {f"number_{place}": values[:, place] for place in range(_COLUMNS)}
    table = pa.table(columns | {column: pa.array(texts.tolist()) for column, texts in places.items()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def answer_for_a_year(ws: Any, name: str, engine: Any, logged: int, rows: int, seconds: float) -> None:
    """Answer so many rows, spread over the time up to now, and have them counted and joined.

    Segments are removed when they are counted, as by a `--keep` that is shorter than it takes to seal them.
    """
    from lepton_nb.monitoring import observe
    from lepton_nb.runtime.bulk import _answer
    from lepton_nb.runtime.columns import ARROW
    from lepton_nb.runtime.engine import Arrival
    from lepton_nb.workspace import locked

    folder, begin, number = ws.deployment(name), time.time() - seconds, logged // rows
    bodies = [body_of(rows, seed) for seed in range(1, 9)]
    told = time.perf_counter()
    with contextlib.ExitStack() as held:
        held.enter_context(locked(folder / "sealed" / ".lock"))
        for place in range(number):
            moment = begin + (place + 1) * seconds / number - 60
            _answer(engine, bodies[place % len(bodies)], ARROW, Arrival(moment, time.perf_counter()))
            if place % 100 == 99 or place == number - 1:
                observe(ws, name, since=time.time())
                _remove_counted(folder, engine.logging.bulk)
            if time.perf_counter() - told > 30:
                told = time.perf_counter()
                print(f"  {(place + 1) * rows:,} of {logged:,} predictions", flush=True)


def _remove_counted(folder: Path, log: Any) -> None:
    from lepton_nb.monitoring.segments import head_of
    from lepton_nb.monitoring.store import read_index

    absorbed = read_index(folder).absorbed
    for name in set(log.closed):
        path = folder / name
        if path.exists() and absorbed.get(path.stem) == head_of(path):
            path.unlink()
