"""How the sides of bench_serving.py are made and started: one trained model each for images and for tables, and a
server per side, in a fresh process on a free loopback port with one worker and one thread.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

HERE = Path(__file__).parent
PEERS = HERE / "serving_peers"
OWN_ENVIRONMENT = HERE.parents[1] / ".lepton" / "bench" / "serving"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_TOKEN = "a-token-of-the-benchmark"
_PATIENCE_S = 90.0


class SkippedError(Exception):
    """A side that cannot run here, and what would make it run."""


@dataclass(frozen=True)
class Model:
    """A trained model, our Bento of it, and the folder that the peers read.

    Args:
        bento: ours.
        folder: BENCH_MODEL of the peers.
        row: one row, as JSON has it: an image, or an object of a table's columns.
        probabilities: what every side must say of it.
    """

    bento: Any
    folder: Path
    row: Any
    probabilities: np.ndarray


@dataclass(frozen=True)
class Server:
    """A running side."""

    url: str
    pid: int
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """How one server is started, asked and understood.

    Args:
        start: starts it and gives it when /readyz has answered 200.
        body: the request of one row.
        read: the probabilities in an answer.
    """

    start: Callable[[], contextlib.AbstractContextManager[Server]]
    body: bytes
    read: Callable[[Any], list[float]]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what our verbs tell on the way."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def images(folder: Path) -> Model:
    """A small convolutional network for pictures of 28x28."""
    import lepton_nb

    rng = np.random.default_rng(0)
    shapes = rng.random((10, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    classes = rng.integers(0, 10, 3000)
    values = ((0.5 * shapes[classes] + 0.5 * rng.random((3000, 28, 28))) * 255).astype(np.uint8)[:, None]
    data = lepton_nb.data_load((values, classes), name="pictures")
    run = lepton_nb.train("cnn", data=data, epochs=3, net=("channels=[8, 16]",))
    normaliser = _preparation(data)
    about = {"channels": [8, 16], "mean": normaliser.mean[0], "std": normaliser.std[0]}
    return _made(folder, run, about, values[0].tolist(), {"input": values[:1].astype(np.float32)})


def table(rows: int) -> Any:
    """A table of eight numbers and six texts, and a class that depends on some of them."""
    import pandas as pd

    rng = np.random.default_rng(1)
    frame = pd.DataFrame({f"number_{place}": rng.normal(40 * place, 10, rows) for place in range(8)})
    for place in range(6):
        frame[f"text_{place}"] = np.array([f"value {one}" for one in range(4 + 4 * place)])[
            rng.integers(0, 4 + 4 * place, rows)
        ]
    odds = frame["number_0"] / 10 + (frame["text_0"] == "value 1") - rng.normal(0, 1, rows)
    return frame.assign(y=np.where(odds > 0, "yes", "no"))


def tables(folder: Path) -> Model:
    """A multi-layer perceptron for a table of 14 columns, six of them text."""
    import joblib

    import lepton_nb

    frame = table(8000)
    data = lepton_nb.data_load(frame, target="y", name="table")
    run = lepton_nb.train("mlp", data=data, epochs=3)
    row = frame.drop(columns="y").iloc[0].to_dict()
    about = {"hidden": [64, 64], "features": data.feature_shape[0]}
    folder.mkdir(parents=True)
    joblib.dump(_preparation(data), folder / "preparation.joblib")
    inputs = {name: np.array([value], object if isinstance(value, str) else None) for name, value in row.items()}
    return _made(folder, run, about, row, inputs)


def _preparation(data: Any) -> Any:
    from lepton_nb.data import preprocessing

    return preprocessing(data)


def _made(folder: Path, run: Any, about: dict[str, Any], row: Any, inputs: dict[str, Any]) -> Model:
    from safetensors.torch import save_file

    import lepton_nb
    from lepton_nb.models import load_trained
    from lepton_nb.runtime.model import Model as Served

    bento = lepton_nb.package(run)
    folder.mkdir(parents=True, exist_ok=True)
    served = Served.load(bento.model)
    (folder / "about.json").write_text(json.dumps({**about, "classes": served.signature.classes}))
    (folder / "model.onnx").write_bytes((bento.model / "model.onnx").read_bytes())
    save_file(dict(load_trained(run.path).network.state_dict()), folder / "network.safetensors")
    return Model(bento, folder, row, served.predict(inputs)[0])


def ours(model: Model) -> Side:
    """`lepton serve`, with validation, prediction log and token."""

    @contextlib.contextmanager
    def start() -> Iterator[Server]:
        import lepton_nb

        with quiet():
            deployed = lepton_nb.serve(model.bento, name="bench", port=0, workers=1)
        try:
            token = deployed.token_file.read_text().strip()
            yield Server(deployed.url, deployed.pid, {"Authorization": f"Bearer {token}"})
        finally:
            with quiet():
                lepton_nb.stop("bench")

    return Side(start, _our_body(model), lambda answer: answer["predictions"][0]["probabilities"])


def bentoml_of_ours(model: Model, home: Path) -> Side:
    """Our Bento under `bentoml serve`, as well with log and token."""
    log = home / "bentoml-log"
    log.mkdir(exist_ok=True)
    environment = {
        "LEPTON_TOKEN": _TOKEN,
        "LEPTON_LOG_DIR": str(log),
        "BENTOML_HOME": str(model.bento.path.parents[2]),
    }
    headers = {"Authorization": f"Bearer {_TOKEN}"}
    start = _started(_bentoml(model.bento.tag), environment, headers, model.folder)
    return Side(start, _our_body(model), lambda answer: answer["predictions"][0]["probabilities"])


def bento(model: Model, service: str) -> Side:
    """A hand-written Bento service under `bentoml serve`."""
    start = _started(_bentoml(service, "--working-dir", str(PEERS)), {}, {}, model.folder)
    return Side(start, _plain_body(model), lambda answer: answer["probabilities"])


def uvicorn(model: Model, app: str, *, needs: tuple[str, ...] = ()) -> Side:
    """A hand-written ASGI app."""
    python = own_python(needs) if needs else Path(sys.executable)

    def command(port: int) -> list[str]:
        words = [str(python), "-m", "uvicorn", app, "--app-dir", str(PEERS), "--host", "127.0.0.1"]
        return [*words, "--port", str(port), "--workers", "1", "--no-access-log", "--log-level", "warning"]

    start = _started(command, {}, {}, model.folder)
    return Side(start, _plain_body(model), lambda answer: answer["probabilities"])


def litserve(model: Model) -> Side:
    """LitServe."""
    python = own_python(("litserve",))
    start = _started(lambda port: [str(python), str(PEERS / "litserve_app.py"), str(port)], {}, {}, model.folder)
    return Side(start, _plain_body(model), lambda answer: answer["probabilities"])


def own_python(packages: tuple[str, ...]) -> Path:
    """The Python of the peers' own environment, which has what we do not depend on; made when it is not there.

    What both need, such as torch, it takes from ours, so that all sides run the very same.
    """
    python = OWN_ENVIRONMENT / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", OWN_ENVIRONMENT], check=True)
            place = subprocess.run(
                [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                check=True,
                capture_output=True,
                text=True,
            )
            (Path(place.stdout.strip()) / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
        missing = f"import importlib.metadata as m; [m.version(name) for name in {packages!r}]"
        if subprocess.run([python, "-c", missing], capture_output=True).returncode:
            subprocess.run(
                [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *packages], check=True
            )
    except subprocess.CalledProcessError as cause:
        raise SkippedError(
            f"{', '.join(packages)} could not be installed; next: {OWN_ENVIRONMENT}/bin/python -m pip install "
            f"{' '.join(packages)}"
        ) from cause
    return python


def _our_body(model: Model) -> bytes:
    row = model.row if isinstance(model.row, dict) else {"input": model.row}
    return json.dumps({"rows": [row]}).encode()


def _plain_body(model: Model) -> bytes:
    return json.dumps({"row" if isinstance(model.row, dict) else "image": model.row}).encode()


def _bentoml(*words: str) -> Callable[[int], list[str]]:
    return lambda port: [
        *(sys.executable, "-m", "bentoml", "serve", *words),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]


def _started(
    command: Callable[[int], list[str]], more: dict[str, str], headers: dict[str, str], folder: Path
) -> Callable[[], contextlib.AbstractContextManager[Server]]:
    """How a process with a server is started, awaited and stopped."""

    @contextlib.contextmanager
    def start() -> Iterator[Server]:
        from lepton_nb.processes import free_port, is_alive
        from lepton_nb.processes import start as start_process
        from lepton_nb.processes import stop as stop_process

        port, log = free_port(), folder / "peer.log"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("LEPTON_", "BENTOML_"))}
        environment = {**kept, **_ONE_THREAD, "BENTOML_DO_NOT_TRACK": "True", "BENCH_MODEL": str(folder)}
        environment |= {"BENTOML_HOME": str(folder / "bentoml"), "PYTHONPATH": str(PEERS), **more}
        log.unlink(missing_ok=True)
        identity = start_process(command(port), log=log, cwd=folder, env=environment)
        try:
            url = f"http://127.0.0.1:{port}"
            until_ready(url, lambda: is_alive(identity), log)
            yield Server(url, identity.pid, headers)
        finally:
            stop_process(identity)

    return start


def until_ready(url: str, lives: Callable[[], bool], log: Path) -> float:
    """The moment of the first 200 of /readyz, by the performance counter."""
    deadline = time.monotonic() + _PATIENCE_S
    with httpx.Client(trust_env=False, timeout=5) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if client.get(f"{url}/readyz").status_code == 200:
                    return time.perf_counter()
            if not lives() or time.monotonic() > deadline:
                sys.exit(f"a server did not become ready:\n{log.read_text()[-3000:] if log.exists() else ''}")
            time.sleep(0.005)
