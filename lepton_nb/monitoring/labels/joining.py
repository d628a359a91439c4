"""Labels find their predictions: each label is joined once, whoever looks and whenever.

A label whose prediction is not on the log (yet) is looked for again after a minute, then after two, four, and so on
for a week, however many wait: a log may come from another machine later than its labels. Of several labels for one
prediction the one that was told last holds: what the earlier one had added is taken off.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...workspace import Workspace, locked
from ..places import signature_of
from .finding import predicted
from .ledger import FOLDER, Ledger, read, truths, write
from .summing import Judged, judged, summed
from .told import FEEDBACK, Told, told
from .waiting import Pending, due, kept, those_of

__all__ = ["join"]

# So many bytes of labels at a time: some hundred thousand labels, in a few hundred MB.
_BYTES = 16 * 1024 * 1024
_RETRY_S, _KEPT_S = 60.0, 7 * 24 * 3600.0
# So many that wait are looked for at a time.
_AT_ONCE = 100_000


def join(ws: Workspace, folder: Path, now: float | None = None) -> Ledger:
    """Join what is new of a deployment's labels.

    Args:
        ws: the workspace.
        folder: of the deployment.
        now: seconds since the epoch; None is this moment.

    Returns:
        What is known then.

    Raises:
        FormatError: labels, or what was joined of them, are newer than this version reads, or broken.
        ConflictError: another process is at it for more than a minute.
    """
    now = time.time() if now is None else now
    ledger = read(folder)
    if not _is_new(folder, ledger, now):
        return ledger
    with locked(folder / FOLDER / ".lock"):
        ledger = read(folder)
        if ledger.pending:
            ledger = write(folder, _kept(folder, replace(ledger, pending=()), (), ledger.pending), (), {})
        while found := due(folder / FOLDER, ledger.waiting, now, _AT_ONCE):
            ledger = _joined(ws, folder, ledger, _as_told(found), {one.id: one for one in found}, now)
        for labels, feedback, broken in _fresh(folder, ledger):
            known = those_of(folder / FOLDER, ledger.waiting, {one.id for one in labels})
            waiting = {one.id: one for one in known}
            ledger = replace(ledger, feedback=feedback, broken=ledger.broken + broken)
            ledger = _joined(ws, folder, ledger, labels, waiting, now)
        return ledger


def _as_told(pending: Sequence[Pending]) -> list[Told]:
    return [Told(one.id, one.label, one.time) for one in pending]


def _is_new(folder: Path, ledger: Ledger, now: float) -> bool:
    if ledger.pending or (ledger.waiting.rows and ledger.waiting.next <= now):
        return True
    return any(_begin(path, ledger.feedback)[1] < path.stat().st_size for path in folder.glob(FEEDBACK))


def _begin(path: Path, feedback: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """The inode of a file of labels, and from where it is read."""
    found = path.stat()
    inode, offset = feedback.get(path.name, (found.st_ino, 0))
    # Another file under the same name is read from its start; what it repeats changes nothing.
    return found.st_ino, offset if inode == found.st_ino and offset <= found.st_size else 0


def _fresh(folder: Path, ledger: Ledger) -> Iterator[tuple[list[Told], dict[str, tuple[int, int]], int]]:
    """What is new, some at a time: labels, how far each file is read then, and how many lines are none of ours."""
    paths = sorted(folder.glob(FEEDBACK))
    feedback = {path.name: _begin(path, ledger.feedback) for path in paths}
    labels: list[Told] = []
    broken = read_bytes = 0
    for path in paths:
        inode, offset = feedback[path.name]
        while (step := told(path, offset, _BYTES)).end > offset:
            labels += step.labels
            broken += step.broken
            read_bytes += step.end - offset
            offset = step.end
            feedback[path.name] = (inode, offset)
            if read_bytes >= _BYTES:
                yield labels, dict(feedback), broken
                labels, broken, read_bytes = [], 0, 0
    if read_bytes:
        yield labels, dict(feedback), broken


def _joined(
    ws: Workspace, folder: Path, ledger: Ledger, labels: Sequence[Told], waiting: Mapping[str, Pending], now: float
) -> Ledger:
    """The ledger with these labels, written."""
    newest: dict[str, Told] = {one.id: Told(one.id, one.label, one.time) for one in waiting.values()}
    newest = {one.id: newest[one.id] for one in labels if one.id in newest}
    for one in labels:
        if one.id not in newest or one.time >= newest[one.id].time:
            newest[one.id] = one
    known = truths(folder, ledger.parts, newest)
    wanted = {one.id: one for one in newest.values() if _says_more(one, known.get(one.id))}
    signatures = functools.cache(functools.partial(signature_of, ws, folder))
    rows: list[Judged] = []
    classes = dict(ledger.classes)
    new: dict[str, Told] = {}
    for row in predicted(folder, wanted, signatures):
        signature = signatures(row.version)
        if signature is not None:
            classes[row.version] = signature.classes
        names, one, before = classes.get(row.version, ()), wanted[row.id], known.get(row.id)
        if row.id in new or len(row.probabilities) != len(names):
            continue
        try:
            both = judged(row, one.label, names, signature, 1)
            both += judged(row, before.label, names, signature, -1) if before is not None else []
        except ValueError:
            # No number, for a model that answers one.
            continue
        new[row.id] = one
        rows += both
    missing = [one for one in wanted.values() if one.id not in new]
    # What is known of a prediction that is on the log no more stays as it is.
    stays = [one for one in missing if one.id in known]
    replaced = sum(one in known for one in new)
    ledger = replace(
        _waiting(folder, ledger, [one for one in missing if one.id not in known], waiting, newest, now),
        joined=ledger.joined + len(new) - replaced,
        replaced=ledger.replaced + replaced,
        repeated=ledger.repeated + len(labels) - len(wanted),
        classes=classes,
    )
    ledger = replace(ledger, lost=ledger.lost + len(stays))
    return write(folder, ledger, sorted(new.values()), summed(rows))


def _says_more(one: Told, before: Told | None) -> bool:
    return before is None or (one.label != before.label and one.time >= before.time)


def _waiting(
    folder: Path,
    ledger: Ledger,
    missing: Sequence[Told],
    waiting: Mapping[str, Pending],
    looked_for: Mapping[str, Told],
    now: float,
) -> Ledger:
    """The ledger with the labels whose prediction was not found waiting, or given up."""
    again: list[Pending] = []
    lost = ledger.lost
    for one in missing:
        first = waiting[one.id].read if one.id in waiting else now
        if now - first >= _KEPT_S:
            lost += 1
        else:
            again.append(Pending(*one, first, min(now + max(_RETRY_S, now - first), first + _KEPT_S)))
    return _kept(folder, replace(ledger, lost=lost), looked_for, again)


def _kept(folder: Path, ledger: Ledger, gone: Collection[str], more: Sequence[Pending]) -> Ledger:
    """The ledger with another file of labels that wait; whoever is killed before it is written leaves one too many."""
    waiting = kept(folder / FOLDER, ledger.waiting, ledger.number, gone, more)
    used = waiting.number == ledger.number
    return replace(ledger, waiting=waiting, number=ledger.number + used)
