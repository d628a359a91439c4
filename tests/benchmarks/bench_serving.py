"""What serving costs: ours, with validation, prediction log and token, against services that are written by hand.

python tests/benchmarks/bench_serving.py [--case bento_eager_c32] [--runs 3] [--seconds 10] [--json]

One picture of 28x28 as JSON goes through a small convolutional network with the same weights on every side
(`serving_peers/`), driven by wrk: runs alternate, each with a fresh server on a free loopback port, one worker and one
thread, warmed up. Before a side is timed its answer is compared with ours, to 1e-4. `ratio`: how many times better we
are.

bento_eager_c32: a Bento service with eager torch, 32 connections, requests per second.
fastapi_c32: FastAPI, a pydantic model and ONNX Runtime under uvicorn. starlette_c32: Starlette, orjson and ONNX
Runtime, with nothing checked or logged. litserve_c32: LitServe with eager torch.
bentoml_serve_c32: our own Bento, under `bentoml serve` instead of `lepton serve`.
p99_c1: the 99th percentile of the latency at one connection, in milliseconds; the peer is the Bento with eager torch.
table_row: one row of 14 columns, six of them text; the peer is a Bento with scikit-learn and eager torch.
bulk_arrow: milliseconds per 1,000 rows of a body of 200,000 rows as an Arrow IPC stream; the peer is 1,000 rows as
JSON, sent to our own server.
ready: seconds from starting the server to its first 200 of /readyz, as `lepton serve` or a client that asks every 5 ms
sees it; worker_memory: resident MB of a worker behind 1,000 requests. The peer of both is the Bento with eager torch.
big_body: a body of 100 MB that states its size: milliseconds until it is answered (413), and big_body_memory: the most
MB that the worker held more meanwhile. big_body_chunked: the same without a size; up to LEPTON_MAX_BODY it may be
legal, and is held. The peer of all is the Bento with eager torch.
environment: MB of a plain environment with the Bento's own pins; the peer is the same, and torch for the CPU.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import serving_sides as sides
from serving_costs import Bench, big_body, entry, environment, ready, worker_memory
from serving_sides import Model, Server, Side, SkippedError

_TOLERANCE = 1e-4
_ARROW = "application/vnd.apache.arrow.stream"
_BULK_ROWS, _JSON_ROWS = 200_000, 1_000
_SCRIPT = """
local file = io.open("{body}", "rb")
wrk.method = "POST"
wrk.body = file:read("*all")
file:close()
wrk.headers["Content-Type"] = "application/json"
{headers}
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FOUND %d %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.timeout, e.status, latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Found:
    """What wrk measured once."""

    per_second: float
    p99_ms: float
    errors: int


@dataclass(frozen=True)
class Load:
    """A case that wrk drives: who is compared, over how many connections, and what of it counts."""

    peer: Callable[[Model, Path], Side]
    model: str = "images"
    connections: int = 32
    latency: bool = False
    wanted: str = ""


LOADS = {
    "bento_eager_c32": Load(lambda model, _: sides.bento(model, "eager_bento:Digits"), wanted="ratio >= 5"),
    "fastapi_c32": Load(
        lambda model, _: sides.uvicorn(model, "fastapi_app:app", needs=("fastapi",)), wanted="ratio >= 1.0"
    ),
    "starlette_c32": Load(lambda model, _: sides.uvicorn(model, "starlette_app:app"), wanted="ratio >= 0.55"),
    "litserve_c32": Load(lambda model, _: sides.litserve(model)),
    "bentoml_serve_c32": Load(sides.bentoml_of_ours),
    "p99_c1": Load(
        lambda model, _: sides.bento(model, "eager_bento:Digits"), connections=1, latency=True, wanted="ours <= 3 ms"
    ),
    "table_row": Load(lambda model, _: sides.bento(model, "table_bento:Rows"), model="tables", wanted="ratio >= 8"),
}


def load(bench: Bench, name: str) -> dict[str, Any]:
    """Ours and a peer in turn, under wrk."""
    case, model = LOADS[name], bench.model(LOADS[name].model)
    pair = {"ours": sides.ours(model), "peer": case.peer(model, bench.folder)}
    found: dict[str, list[Found]] = {"ours": [], "peer": []}
    for turn in range(bench.runs):
        for which in ("ours", "peer") if turn % 2 else ("peer", "ours"):
            with pair[which].start() as server:
                check(server, pair[which], model, which)
                wrk(bench, server, pair[which].body, case.connections, max(1, bench.seconds // 3))
                one = wrk(bench, server, pair[which].body, case.connections, bench.seconds)
            found[which].append(one)
            errors = f", {one.errors} ERRORS" if one.errors else ""
            told = f"{one.per_second:.0f} requests/s, p99 {one.p99_ms:.2f} ms{errors} (load {os.getloadavg()[0]:.1f})"
            print(f"  {which}: {told}", flush=True)
    values = {
        which: [one.p99_ms if case.latency else one.per_second for one in several] for which, several in found.items()
    }
    failed = sum(one.errors for several in found.values() for one in several)
    if failed:
        print(f"!!! {name} HAS NO RATIO: {failed} requests failed", flush=True)
    unit = "ms" if case.latency else "requests/s"
    return entry(name, values["ours"], values["peer"], unit, case.wanted, less=case.latency, valid=not failed)


def check(server: Server, side: Side, model: Model, which: str) -> None:
    """The answer must be the one of the network."""
    headers = {"content-type": "application/json", **server.headers}
    answer = httpx.post(f"{server.url}/predict", content=side.body, headers=headers, trust_env=False, timeout=60)
    if answer.status_code != 200:
        sys.exit(f"{which} answered {answer.status_code}: {answer.text[:500]}")
    apart = float(np.abs(np.array(side.read(answer.json())) - model.probabilities).max())
    if not apart <= _TOLERANCE:
        sys.exit(f"{which} says something else than the network: probabilities are {apart:.3g} apart")


def wrk(bench: Bench, server: Server, body: bytes, connections: int, seconds: int) -> Found:
    """One load."""
    script, content = bench.folder / "request.lua", bench.folder / "request.json"
    content.write_bytes(body)
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in server.headers.items())
    script.write_text(_SCRIPT.format(body=content, headers=headers))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", script]
    done = subprocess.run([*command, f"{server.url}/predict"], capture_output=True, text=True)
    told = re.search(r"^FOUND (\d+) (\d+) (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    if told is None:
        sys.exit(f"wrk failed:\n{done.stdout}{done.stderr}")
    requests, microseconds, broken, refused, p99 = map(int, told.groups())
    return Found((requests - refused) / microseconds * 1e6, p99 / 1e3, broken + refused)


def bulk_arrow(bench: Bench) -> dict[str, Any]:
    """Many rows in one request, as Arrow, and some as JSON."""
    import pyarrow as pa

    model = bench.model("tables")
    frame = sides.table(_BULK_ROWS).drop(columns="y")
    sink = io.BytesIO()
    rows = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    some = json.dumps({"rows": frame.head(_JSON_ROWS).to_dict("records")}).encode()
    mine, peer = [], []
    os.environ["LEPTON_MAX_BODY"] = str(2**30)
    for turn in range(bench.runs):
        with (
            sides.ours(model).start() as server,
            httpx.Client(base_url=server.url, headers=server.headers, trust_env=False, timeout=300) as client,
        ):
            kinds = {"ours": (_ARROW, sink.getvalue()), "peer": ("application/json", some)}
            for which in ("ours", "peer") if turn % 2 else ("peer", "ours"):
                kind, body = kinds[which]
                ask(client, kind, body)
                began = time.perf_counter()
                for _ in range(1 if which == "ours" else 10):
                    answer = ask(client, kind, body)
                taken = (time.perf_counter() - began) * 1e3
                (mine if which == "ours" else peer).append(taken / (_BULK_ROWS / 1000 if which == "ours" else 10))
                print(f"  {which}: {(mine if which == 'ours' else peer)[-1]:.2f} ms per 1,000 rows", flush=True)
                if which == "ours" and not turn:
                    check_bulk(client, answer, some)
    return entry("bulk_arrow", mine, peer, "ms per 1,000 rows", "ours <= 5", less=True)


def ask(client: httpx.Client, kind: str, body: bytes) -> httpx.Response:
    answer = client.post("/predict", content=body, headers={"content-type": kind})
    if answer.status_code == 415:
        raise SkippedError(f"the server answers 415 to {kind}: this Bento's runtime has no such route")
    if answer.status_code != 200:
        sys.exit(f"the server answers {answer.status_code}: {answer.text[:500]}")
    return answer


def check_bulk(client: httpx.Client, answer: httpx.Response, some: bytes) -> None:
    """As many answers as rows, and of the first ones the same as by JSON."""
    import pyarrow as pa

    told = pa.ipc.open_stream(answer.content).read_all()
    if told.num_rows != _BULK_ROWS:
        sys.exit(f"{told.num_rows} answers for {_BULK_ROWS} rows")
    expected = [one["probabilities"] for one in ask(client, "application/json", some).json()["predictions"]]
    first = told.slice(0, _JSON_ROWS)
    if "probabilities" not in first.column_names:
        sys.exit(f"the Arrow answer has no column probabilities, but {first.column_names}")
    apart = np.abs(np.array(first.column("probabilities").to_pylist()) - np.array(expected)).max()
    if not apart <= _TOLERANCE:
        sys.exit(f"Arrow and JSON are answered differently: probabilities are {apart:.3g} apart")


CASES: dict[str, Callable[[Bench], dict[str, Any] | list[dict[str, Any]]]] = {
    **{name: lambda bench, name=name: load(bench, name) for name in LOADS},
    "bulk_arrow": bulk_arrow,
    "ready": ready,
    "worker_memory": worker_memory,
    "big_body": partial(big_body, chunked=False),
    "big_body_chunked": partial(big_body, chunked=True),
    "environment": environment,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--runs", type=int, default=3, help="pairs per case")
    parser.add_argument("--seconds", type=int, default=10, help="of each load")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    if set(options.case) & set(LOADS) and shutil.which("wrk") is None:
        sys.exit("wrk is not installed; next: apt-get update && apt-get install -y wrk")
    cases = []
    with tempfile.TemporaryDirectory(prefix="lepton-bench-", ignore_cleanup_errors=True) as folder:
        os.environ["LEPTON_HOME"] = str(Path(folder) / ".lepton")
        bench = Bench(Path(folder), options.runs, options.seconds)
        for name in options.case:
            print(name, flush=True)
            try:
                found = CASES[name](bench)
                cases.extend(found if isinstance(found, list) else [found])
            except SkippedError as skipped:
                print(f"!!! {name} SKIPPED: {skipped}", flush=True)
    if options.json:
        print(json.dumps({"name": "serving", "cases": cases}))


if __name__ == "__main__":
    main()
