"""What a training costs: ours, seen live in a notebook and recorded, against stock Lightning and a loop by hand.

python tests/benchmarks/bench_training.py [--case table_vs_lightning] [--runs 3] [--json]

All sides train the same network on the same rows (`training_sides.py`), in turn, each in a fresh process. Ours is
`%lepton train` in a warm kernel with a client that allows input, so its live view is on; it is timed from the `started`
event, which the trainer writes right before its first batch, to the reply of the cell, behind the last flush to MLflow.
A peer is timed from the start of its first batch to the end of its fit. It uses one thread or all, which wait as those
of our trainer do, or as torch chooses by itself, whichever was the fastest in a short run of each. A case whose final
losses (the mean training loss of its last quarter) are more than 1 % apart has no ratio.

view_cost: the peer is our own trainer with nobody watching, no events and nothing for MLflow.
first_step: seconds from sending the cell to the end of the first step, in a fresh kernel with the network's class and
the data at hand; first_step_again: of the next training there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_LEAST_S = 20.0
CLASS = """
import time
from pathlib import Path
from lepton_nb.models.mlp import MLP

class Net(MLP):
    def on_train_batch_end(self, *_):
        if self.trainer.global_step == 1:
            Path(r"{file}").write_text(str(time.time()))
"""


@dataclass(frozen=True)
class Case:
    """Which network is fitted to what, for how long, and against whom."""

    peer: str
    wanted: float
    data: str = "training_sides.table()"
    net: str = "mlp"
    # Of the short run that says how many it takes to fill the time of a measurement.
    epochs: int = 3
    batch_size: int = 256
    options: dict[str, Any] = field(default_factory=dict)


CASES = {
    "table_vs_lightning": Case("lightning", 3.0),
    # Without dropout, which takes a third of the time of the network's own work here.
    "table_plain_vs_lightning": Case("lightning", 3.0, options={"dropout": 0.0}),
    "table_vs_torch": Case("by_hand", 0.625),
    "table_logging_vs_lightning": Case("lightning", 0.0, net="training_sides:Logging"),
    # Smoothed labels, since without them the loss goes to nought and nothing is within 1 % of another.
    "digits_cnn_vs_lightning": Case("lightning", 1.0, "'digits'", "cnn", 10, 64, {"label_smoothing": 0.2}),
    "images_cnn_vs_lightning": Case("lightning", 1.0, "training_sides.images()", "cnn", 1, 256, {"channels": [8, 16]}),
    "view_cost": Case("unseen", 0.98),
}


class Notebook:
    """A warm kernel and a client that sees what it shows."""

    def __init__(self, folder: Path) -> None:
        from jupyter_client.manager import KernelManager

        paths = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH", "")]))
        self.environment = {**os.environ, "LEPTON_HOME": str(folder / ".lepton"), "PYTHONPATH": paths}
        self._manager = KernelManager(kernel_name="lepton")
        self._manager.start_kernel(cwd=str(folder), env=self.environment)
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=120)
        self.widget_messages = 0
        self.run("%load_ext lepton_nb\nimport lepton_nb")

    def run(self, code: str) -> tuple[float, float]:
        """Run a cell: when it was sent, and when it was done."""
        sent = time.time()
        reply = self._client.execute_interactive(code, allow_stdin=True, timeout=3600, output_hook=self._see)
        if reply["content"]["status"] != "ok":
            sys.exit(f"{code}\nfailed: {reply['content'].get('evalue')}")
        return sent, time.time()

    def _see(self, message: dict[str, Any]) -> None:
        self.widget_messages += message["msg_type"] == "comm_msg"

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@contextlib.contextmanager
def notebook(folder: Path) -> Iterator[Notebook]:
    opened = Notebook(folder)
    try:
        yield opened
    finally:
        opened.close()


def ours(book: Notebook, home: Path, case: Case, name: str) -> dict[str, Any]:
    """A training as a person does it."""
    from lepton_nb import tracking
    from lepton_nb.records import Epoch, Started
    from lepton_nb.training.events import Tail
    from lepton_nb.workspace import Workspace

    options = " ".join(f"--net '{key}={json.dumps(value)}'" for key, value in case.options.items())
    before = book.widget_messages
    _, end = book.run(
        f"%lepton train {case.net} --data bench --name {name} --epochs {case.epochs} "
        f"--batch-size {case.batch_size} --patience 0 {options}"
    )
    assert book.widget_messages > before, "nobody saw it live"
    run = tracking.get(Workspace(home), name)
    assert run.status == "finished"
    events = Tail(run.path).read()
    start = next(event.time for event in events if isinstance(event, Started))
    losses = [event.metrics["train_loss"] for event in events if isinstance(event, Epoch)]
    return {"seconds": end - start, "losses": losses}


def peer(book: Notebook, home: Path, case: Case, setting: tuple[int, str], patience: float = 3600.0) -> dict[str, Any]:
    """The other side, in a process of its own; ours unseen is forked as our trainers are."""
    from lepton_nb import kernels

    threads, waiting = setting
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        task = {key: value for key, value in asdict(case).items() if key in ("net", "epochs", "batch_size", "options")}
        task |= {"home": str(home), "data": "bench", "threads": threads, "folder": folder}
        environment = {**book.environment, **({"OMP_WAIT_POLICY": waiting} if waiting else {})}
        argv, log, answer = [case.peer, json.dumps(task)], Path(folder) / "log", Path(folder) / "answer.json"
        if case.peer == "unseen":
            process = kernels.start_detached(
                "training_sides", [*argv, str(answer)], log=log, cwd=Path(folder), env=environment
            )
            code = kernels.exit_status(process, timeout=3600)
        else:
            with log.open("wb") as stream:
                command = [sys.executable, str(HERE / "training_sides.py"), *argv, str(answer)]
                piped = subprocess.Popen(
                    command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
                try:
                    stream.write(piped.communicate(timeout=patience)[0])
                except subprocess.TimeoutExpired:
                    piped.kill()
                    piped.wait()
                    return {"seconds": math.inf, "losses": [], "threads": threads}
                code = piped.returncode
        if code != 0:
            sys.exit(f"{case.peer} ended with {code}:\n{log.read_text()[-3000:]}")
        return json.loads(answer.read_text())


def best_setting(book: Notebook, home: Path, case: Case) -> tuple[int, str]:
    """Threads of the peer and how they wait: one or all of them, as ours would wait, or as torch does by itself."""
    from lepton_nb.training.trainer.threads import cpu_count

    if case.peer == "unseen":
        return 0, "PASSIVE"
    taken: dict[tuple[int, str], Any] = {}
    longest = 3600.0
    for setting in ((1, "PASSIVE"), (cpu_count(), "PASSIVE"), (0, "")):
        started = time.time()
        # More threads than idle CPUs may take ten times as long: nobody waits to see by how much they lose.
        taken[setting] = peer(book, home, case, setting, longest)
        longest = min(longest, 2 * (time.time() - started))
    told = ", ".join(
        f"{one['threads'] or 'as many as torch likes'} threads{' that wait passively' if setting[1] else ''} "
        + (f"{one['seconds']:.2f} s" if math.isfinite(one["seconds"]) else "more than twice as long")
        for setting, one in taken.items()
    )
    print(f"  the peer in {case.epochs} epochs: {told}", flush=True)
    return min(taken, key=lambda setting: taken[setting]["seconds"])


def compare(name: str, folder: Path, runs: int) -> list[dict[str, Any]]:
    """A case of ours against a peer."""
    case, home = CASES[name], folder / ".lepton"
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    with notebook(folder) as book:
        book.run(
            f"import training_sides\nlepton_nb.data_load({case.data}, name='bench', test_size=0.1"
            + (", target='y')" if "table" in case.data else ")")
        )
        setting = best_setting(book, home, case)
        short = ours(book, home, case, "short")["seconds"]
        case = replace(case, epochs=max(case.epochs, math.ceil(_LEAST_S * 1.5 * case.epochs / short)))
        print(f"  {case.epochs} epochs", flush=True)
        for turn in range(runs):
            for side in ("ours", "peer") if turn % 2 else ("peer", "ours"):
                one = ours(book, home, case, f"r{turn}") if side == "ours" else peer(book, home, case, setting)
                found[side].append(one)
                load = os.getloadavg()[0]
                print(f"  {side}: {one['seconds']:.2f} s, loss {final(one):.4f} (load {load:.1f})", flush=True)
    pairs = [other["seconds"] / own["seconds"] for own, other in zip(found["ours"], found["peer"], strict=True)]
    apart = abs(statistics.mean(map(final, found["ours"])) / statistics.mean(map(final, found["peer"])) - 1)
    ratio = round(statistics.median(pairs), 3)
    mine, theirs = (statistics.median(one["seconds"] for one in found[side]) for side in ("ours", "peer"))
    print(
        f"{name}: ours {mine:.2f} s, {case.peer} {theirs:.2f} s: {ratio} times faster (median of {runs} pairs, "
        f"{min(pairs):.2f} to {max(pairs):.2f}; wanted {case.wanted}); losses {apart:.2%} apart",
        flush=True,
    )
    if apart > 0.01:
        print(f"!!! {name} HAS NO RATIO: the final losses are more than 1 % apart", flush=True)
    if mine < _LEAST_S:
        print(f"!!! {name}: ours took less than the {_LEAST_S:g} s that make it a measurement", flush=True)
    valid = None if apart > 0.01 else ratio
    return [entry(name, mine, theirs, valid, runs)]


def final(side: dict[str, Any]) -> float:
    """The mean training loss of the last quarter of the epochs."""
    losses = side["losses"]
    return statistics.mean(losses[-max(1, len(losses) // 4) :])


def first_step(folder: Path, runs: int) -> list[dict[str, Any]]:
    """From pressing Enter to the end of the first step, twice in each of so many kernels."""
    first, again = [], []
    for turn in range(runs + 1):
        with notebook(folder) as book:
            file = folder / "step"
            book.run(CLASS.format(file=file))
            book.run("import training_sides\ntable = lepton_nb.data_load(training_sides.table(), target='y')")
            for taken in (first, again):
                sent, _ = book.run("%lepton train Net --data $table --batch-size 256 --epochs 1")
                # The first kernel warms the template and the caches.
                if turn:
                    taken.append(float(file.read_text()) - sent)
    for name, taken in (("first_step", first), ("first_step_again", again)):
        spread = f"{min(taken):.2f} to {max(taken):.2f}"
        print(f"{name}: {statistics.median(taken):.2f} s (median of {runs}, {spread}; wanted 1.0)", flush=True)
    return [entry(name, statistics.median(taken), None, None, runs) for name, taken in
            (("first_step", first), ("first_step_again", again))]  # fmt: skip


def entry(name: str, mine: float, theirs: float | None, ratio: float | None, runs: int) -> dict[str, Any]:
    rounded = None if theirs is None else round(theirs, 3)
    return {"case": name, "ours": round(mine, 3), "peer": rounded, "unit": "s", "ratio": ratio, "runs": runs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=[*CASES, "first_step"], default=[*CASES, "first_step"])
    parser.add_argument("--runs", type=int, default=3, help="pairs per case")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    cases = []
    for name in options.case:
        print(name, flush=True)
        with tempfile.TemporaryDirectory(prefix="lepton-bench-", ignore_cleanup_errors=True) as folder:
            measure = first_step if name == "first_step" else lambda *rest, name=name: compare(name, *rest)
            cases += measure(Path(folder), options.runs)
    if options.json:
        print(json.dumps({"name": "training", "cases": cases}))


if __name__ == "__main__":
    main()
