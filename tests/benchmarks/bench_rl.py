"""How well and how fast an agent learns: mazes it has never seen, and CartPole-v1 beside Stable-Baselines3's DQN.

python tests/benchmarks/bench_rl.py [--case maze_8x8] [--runs 5] [--json]

Each run has another seed, and both sides run one after the other, each with one thread; the peer has an environment of
its own, `.lepton/bench/sb3`, which sees this one's torch and is made when it is not there.

maze_8x8: `lepton train dqn --data maze:8x8`, cut off after five minutes, then `lepton evaluate`: the share of 200 mazes
that were never trained on which the packaged model solves within twice the shortest way. There is no peer: `peer` is
the share that is asked for, 0.95. Seconds of training are printed.
cartpole_vs_sb3: seconds until the mean return of 100 episodes without exploring is 475. Ours are those of the whole
training, with its validations and what the trainer writes; the peer's (rl-zoo's tuned settings) are those of `learn`
without the episodes that tell how far it is. A side that does not get there within its steps (the peer's 50,000, our
15,000 gradient steps) is counted with the time that it had. `ratio`: how many times sooner we are there.
steps_vs_sb3: steps of the environment per second with all that is learned from them: both sides take one gradient step
of a batch of 64 on the same network (256, 256) for every two steps, ours in 16 environments that step together and by
the product's own trainer, the peer as it is tuned. `ratio`: how many times more.
steps_as_set_vs_sb3: the same with each side set as in cartpole_vs_sb3, where ours takes a gradient step for every 32
steps, so less is learned from each; what that is worth is what cartpole_vs_sb3 tells.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENT = ROOT / ".lepton" / "bench" / "sb3"
PEER = ("stable-baselines3==2.7.1", "gymnasium==1.2.3")
SECONDS, BAR = 300, 0.95
# The gradient steps and the network of the peer, for the steps that both sides take.
SAME = {"batch": 64, "train_every": 2, "hidden": [256, 256], "n_step": 1, "double": False, "envs": 16, "warmup": 1000}
COUNT = 20_480


@contextmanager
def project() -> Iterator[None]:
    """A workspace that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lepton-bench-rl-") as folder:
        before = os.environ.get("LEPTON_HOME")
        os.environ["LEPTON_HOME"] = f"{folder}/.lepton"
        try:
            yield
        finally:
            os.environ.pop("LEPTON_HOME")
            if before is not None:
                os.environ["LEPTON_HOME"] = before


def trained(data: str, seed: int, epochs: int, net: dict[str, Any], **options: Any) -> tuple[Any, float]:
    """The run, and the seconds from its first batch to the end of its last epoch."""
    import lepton_nb

    words = tuple(f"{name}={json.dumps(value)}" for name, value in net.items())
    options = {"patience": 0, "epochs": epochs, "seed": seed, **options}
    run = lepton_nb.train("dqn", data=data, net=words, **options)
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    began = next(one["time"] for one in events if one["kind"] == "started")
    return run, max(one["time"] for one in events if one["kind"] in ("epoch", "progress")) - began


def mazes(seed: int) -> tuple[float, float, float]:
    """Share solved, the bar, and seconds of training."""
    import lepton_nb

    with project():
        limit = f"max_time=00:00:{SECONDS // 60:02}:{SECONDS % 60:02}"
        run, seconds = trained("maze:8x8", seed, 1000, {"enough": 0.32}, trainer=(limit,))
        card = lepton_nb.evaluate(run)
    share = card.metrics["solved_within_twice"]
    above = card.metrics.get("steps_above_shortest", float("nan"))
    print(
        f"maze_8x8, seed {seed}: {share:.3f} solved, {above:.2f} steps above the shortest, {seconds:.0f} s", flush=True
    )
    return share, BAR, share / BAR


def cartpole(seed: int) -> tuple[float, float, float]:
    """Seconds of ours and of the peer until the mean return is 475."""
    with project():
        run, own = trained("gym:CartPole-v1", seed, 60, {"enough": 475, "episodes": 100})
        reached = max(run.metrics()["val_return"].dropna()) >= 475
    other = peer("learn", str(seed))
    told = "" if reached and other["reached"] else f" (reached: ours {reached}, SB3 {other['reached']})"
    print(f"cartpole_vs_sb3, seed {seed}: ours {own:.1f} s, SB3 {other['seconds']:.1f} s{told}", flush=True)
    return own, other["seconds"], other["seconds"] / own


def steps(seed: int) -> tuple[float, float, float]:
    """Steps per second of ours and of the peer, with the gradient steps of the peer."""
    return stepped("steps_vs_sb3", seed, {**SAME, "epoch_steps": COUNT // 2})


def steps_as_set(seed: int) -> tuple[float, float, float]:
    """Steps per second of ours and of the peer, each set as it learns best."""
    return stepped("steps_as_set_vs_sb3", seed, {"epoch_steps": COUNT // 32})


def stepped(case: str, seed: int, net: dict[str, Any]) -> tuple[float, float, float]:
    """Steps per second of ours with some options, and of the peer."""
    from lepton_nb.models.rl.settings import defaults

    with project():
        _, seconds = trained("gym:CartPole-v1", seed, 1, net, trainer=("limit_val_batches=0",))
    settings = defaults((4,), net, ("left", "right"))
    own = (settings["warmup"] + settings["epoch_steps"] * settings["train_every"]) / seconds
    found = peer("steps", str(seed), str(COUNT + SAME["warmup"]))
    other = found["steps"] / found["seconds"]
    print(f"{case}, seed {seed}: ours {own:.0f}/s, SB3 {other:.0f}/s", flush=True)
    return own, other, own / other


def peer(*words: str) -> dict[str, Any]:
    """What the peer tells."""
    done = subprocess.run([python(), HERE / "rl_peer.py", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"Stable-Baselines3 failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def python() -> Path:
    """The Python of the peer's environment, which is made when it is not there: torch is taken from this one."""
    found = ENVIRONMENT / "bin" / "python"
    if not found.exists() or subprocess.run([found, "-c", "import stable_baselines3"], capture_output=True).returncode:
        print(f"making {ENVIRONMENT}", flush=True)
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([found, "-m", "pip", "install", "-q", "--no-deps", *PEER], check=True)
        ours = next(place for place in map(Path, sys.path) if (place / "torch").is_dir())
        own = next((ENVIRONMENT / "lib").glob("python*/site-packages"))
        # Behind its own packages, so that it keeps its own gymnasium.
        (own / "shared.pth").write_text(f"{ours}\n")
    return found


CASES: dict[str, tuple[Callable[[int], tuple[float, float, float]], str]] = {
    "maze_8x8": (mazes, "share"),
    "cartpole_vs_sb3": (cartpole, "s"),
    "steps_vs_sb3": (steps, "steps/s"),
    "steps_as_set_vs_sb3": (steps_as_set, "steps/s"),
}


def measured(case: str, runs: int) -> dict[str, Any]:
    """One case: the means over the seeds, and how far they lie apart."""
    measure, unit = CASES[case]
    found = [measure(seed) for seed in range(runs)]
    own, other = ([one[side] for one in found] for side in (0, 1))
    spreads = [statistics.stdev(ones) if runs > 1 else 0.0 for ones in (own, other)]
    mean, theirs = statistics.mean(own), statistics.mean(other)
    ratio = theirs / mean if unit == "s" else mean / theirs
    both = " and ".join(f"{spread:.2g}" for spread in spreads)
    print(f"{case}: ours {mean:.4g}, peer {theirs:.4g} {unit} (spread {both}): ratio {ratio:.2f}", flush=True)
    return {
        "case": case,
        "ours": round(mean, 4),
        "peer": round(theirs, 4),
        "unit": unit,
        "ratio": round(ratio, 3),
        "runs": runs,
        "spread": [round(spread, 4) for spread in spreads],
    }


def main() -> None:
    """Run the cases, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = [measured(case, options.runs) for case in ([options.case] if options.case else CASES)]
    if options.json:
        print(json.dumps({"name": "rl", "cases": found}))


if __name__ == "__main__":
    main()
