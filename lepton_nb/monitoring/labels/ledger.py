"""What was joined so far: a few files beside the log, replaced so that a kill leaves the old or the new ones.

`labels/state.json` says how far each file of labels was read and which parts hold what was found. A part is a pair:
`<n>.parquet` has the ids with their truth, in order, and `<n>.sums.json` what they add to each window, or take off
it when a label was corrected. Parts are never changed: a new one takes in those that are not much larger, so
there are few, and each row is copied a few times only.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import orjson

from ...errors import FormatError
from ...scores import ErrorTally
from ...workspace import read_json, replacing, write_atomic, write_json
from .summing import Sums, merged
from .told import Told
from .waiting import Pending, Waiting, path_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "FOLDER",
    "Ledger",
    "Part",
    "countable",
    "drop_unnamed",
    "read",
    "reading",
    "sums",
    "truths",
    "truths_between",
    "write",
]

FOLDER = "labels"
_STATE = "state.json"
_Result = TypeVar("_Result")


class Part(NamedTuple):
    """A pair of files.

    Args:
        number: in their names.
        rows: truths in it.
        first: the least id.
        last: the greatest.
    """

    number: int
    rows: int
    first: str
    last: str


@dataclass(frozen=True)
class Ledger:
    """What `state.json` says.

    Args:
        feedback: per file of labels its inode and how many bytes were read.
        parts: the largest first.
        number: of the next part.
        joined: labels that found their prediction.
        replaced: those that told otherwise than the label before.
        repeated: those that told the same again.
        broken: lines that are no labels.
        lost: labels whose prediction was not found in time.
        waiting: the file of labels whose prediction is looked for again.
        pending: those that a state of before there was such a file holds itself.
        classes: per model version its class names.
    """

    feedback: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    number: int = 1
    joined: int = 0
    replaced: int = 0
    repeated: int = 0
    broken: int = 0
    lost: int = 0
    waiting: Waiting = field(default_factory=Waiting)
    pending: tuple[Pending, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def unmatched(self) -> int:
        """Labels that belong to no known prediction."""
        return self.lost + self.waiting.rows + len(self.pending)


def read(folder: Path) -> Ledger:
    """What was joined of a deployment's labels.

    Args:
        folder: of the deployment.

    Raises:
        FormatError: the state is broken or newer than this version reads.
    """
    path = folder / FOLDER / _STATE
    try:
        value = read_json(path)
    except FileNotFoundError:
        return Ledger()
    del value["format"]
    try:
        value["feedback"] = {name: (int(one), int(two)) for name, (one, two) in value["feedback"].items()}
        value["parts"] = tuple(Part(*one) for one in value["parts"])
        value["waiting"] = Waiting(*value.get("waiting", ()))
        value["pending"] = tuple(Pending(*one) for one in value["pending"])
        value["classes"] = {version: tuple(names) for version, names in value["classes"].items()}
        return Ledger(**value)
    except (KeyError, TypeError, ValueError) as cause:
        raise FormatError(
            f"{path} does not say what was joined",
            got=f"{type(cause).__name__} {cause}",
            hint=f"delete the folder {path.parent}; the labels are joined again from the log",
        ) from cause


def reading(folder: Path, look: Callable[[Ledger], _Result]) -> _Result:
    """Look at the parts, once more when another process has replaced one meanwhile."""
    for _ in range(20):
        with contextlib.suppress(FileNotFoundError):
            return look(read(folder))
    return look(read(folder))


def truths(folder: Path, parts: Iterable[Part], ids: Collection[str]) -> dict[str, Told]:
    """The labels that are known of these predictions."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not ids:
        return {}
    named = pc.field("id").isin(pa.array(ids, pa.string()))
    return _chosen(folder, parts, min(ids), max(ids), named)


def truths_between(
    folder: Path, parts: Iterable[Part], first: str, last: str, told: float | None = None
) -> dict[str, Told]:
    """The labels that are known for ids from `first` to `last`; with `told`, those that were told then or later."""
    import pyarrow.compute as pc

    return _chosen(folder, parts, first, last, None if told is None else pc.field("told") >= told)


def _chosen(folder: Path, parts: Iterable[Part], first: str, last: str, named: Any) -> dict[str, Told]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: dict[str, Told] = {}
    between = (pc.field("id") >= first) & (pc.field("id") <= last)
    # What stands in a later part was told later.
    for part in sorted(parts, key=lambda one: one.number):
        if part.last < first or part.first > last:
            continue
        chosen = between if named is None else between & named
        table = pq.read_table(_truths(folder, part.number), filters=chosen, partitioning=None)
        columns = (table[name].to_pylist() for name in ("id", "truth", "told"))
        found.update((one[0], Told(*one)) for one in zip(*columns, strict=True))
    return found


def sums(folder: Path, parts: Iterable[Part]) -> Iterator[tuple[str, int, int, dict[str, Any]]]:
    """What the parts hold of each window: version, start, seconds, and a JSON object of `scores.Tally`."""
    for part in parts:
        path = _sums(folder, part.number)
        content = path.read_bytes()
        with countable(folder, path.name):
            for one in orjson.loads(content)["windows"]:
                if "classes" not in one["tally"]:
                    ErrorTally().add_dict(one["tally"])
                yield one["version"], one["start"], one["seconds"], one["tally"]


@contextlib.contextmanager
def countable(folder: Path, name: str = "*.sums.json") -> Iterator[None]:
    """Where windows of parts are counted: those that cannot be are told as what they are, a broken file.

    To count each once more beforehand would cost as much as to count it.

    Args:
        folder: of the deployment.
        name: of the file, where it is known.

    Raises:
        FormatError: they cannot be counted.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as cause:
        raise FormatError(
            f"{folder / FOLDER / name} is not readable",
            got=f"{type(cause).__name__} {cause}",
            hint=f"delete the folder {folder / FOLDER}; the labels are joined again from the log",
        ) from cause


def write(
    folder: Path,
    ledger: Ledger,
    new: Sequence[Told],
    found: Sums,
) -> Ledger:
    """Add what was joined, and say so in one rename. The caller holds the lock.

    Args:
        folder: of the deployment.
        ledger: what to say, but for the new part.
        new: truths that were not known, or are others now.
        found: what they add to each window.
    """
    if not new:
        write_json(folder / FOLDER / _STATE, asdict(ledger))
        drop_unnamed(folder, ledger)
        return ledger
    parts, taken, rows = list(ledger.parts), list[Part](), len(new)
    # As a binary counter carries: a part takes in those before it that are no larger than twice itself.
    while parts and parts[-1].rows <= 2 * rows:
        taken.append(parts.pop())
        rows += taken[-1].rows
    table = _table(folder, taken[::-1], new)
    with countable(folder):
        windows = merged([*sums(folder, taken), *((*place, tally) for place, tally in found.items())])
    number = ledger.number
    _write_part(folder, number, table, windows)
    ids = table["id"]
    part = Part(number, table.num_rows, ids[0].as_py(), ids[-1].as_py())
    ledger = replace(ledger, parts=(*parts, part), number=number + 1)
    write_json(folder / FOLDER / _STATE, asdict(ledger))
    drop_unnamed(folder, ledger)
    return ledger


def _table(folder: Path, parts: Sequence[Part], new: Sequence[Told]) -> pa.Table:
    """The truths of some parts and new ones, by id; of several for one id the last."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = list(zip(*new, strict=True))
    schema = pa.schema({"id": pa.string(), "truth": pa.string(), "told": pa.float64()})
    fresh = pa.table([pa.array(column) for column in columns], schema=schema)
    older = [pq.read_table(_truths(folder, part.number), partitioning=None) for part in parts]
    table = pa.concat_tables([*older, fresh])
    order = pa.array(range(table.num_rows))
    table = table.append_column("order", order).sort_by([("id", "ascending"), ("order", "ascending")])
    ids = table["id"].combine_chunks()
    if len(ids) > 1:
        last = pa.concat_arrays([pc.not_equal(ids[1:], ids[:-1]), pa.array([True])])
        table = table.filter(last)
    return table.drop_columns("order")


def _write_part(folder: Path, number: int, table: pa.Table, windows: Sums) -> None:
    import pyarrow.parquet as pq

    value = [
        {"version": version, "start": start, "seconds": seconds, "tally": tally}
        for (version, start, seconds), tally in windows.items()
    ]
    write_atomic(_sums(folder, number), json.dumps({"format": 1, "windows": value}, allow_nan=False))
    with replacing(_truths(folder, number)) as temporary, temporary.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd", row_group_size=32_768)
        stream.flush()
        os.fsync(stream.fileno())


def drop_unnamed(folder: Path, ledger: Ledger) -> None:
    """Remove the files of parts that were taken in by others, or of which nobody came to know. The lock is held."""
    named = {path for part in ledger.parts for path in (_truths(folder, part.number), _sums(folder, part.number))}
    named.add(path_of(folder / FOLDER, ledger.waiting.number))
    for path in [*(folder / FOLDER).glob("*.parquet"), *(folder / FOLDER).glob("*.sums.json")]:
        if path not in named:
            path.unlink(missing_ok=True)


def _truths(folder: Path, number: int) -> Path:
    return folder / FOLDER / f"{number:08d}.parquet"


def _sums(folder: Path, number: int) -> Path:
    return folder / FOLDER / f"{number:08d}.sums.json"
