"""Starting a Bento's own runtime under uvicorn, as a process that outlives its starter."""

from __future__ import annotations

import dataclasses
import http.client
import os
import re
import secrets
import sys
import time
from pathlib import Path
from typing import Unpack

from ..errors import ConflictError, ServingError, UsageError
from ..processes import Identity, free_port, is_alive, port_owner
from ..processes import start as start_process
from ..processes import stop as stop_process
from ..records import Bento, Deployment, Note, Report, silent
from ..runtime import CHAMPION, ModelError, Slot, read_signature, slots_object, verify_manifest
from ..workspace import Workspace, check_name, write_atomic, write_json
from .deployed import LOG_FILE, get, get_held, hold, recorded, write
from .options import Serve, ServeOptions

__all__ = ["serve"]

_READY_S = 60.0
_PORT_TRIES = 3
# A server that lives for months is not handed every secret of the notebook that started it.
_INHERITED = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|VIRTUAL_ENV|CONDA_PREFIX|PYTHON(PATH|HOME|UTF8|HASHSEED)"
    r"|LEPTON_(ALLOWED_HOSTS|MAX_BODY|BODY_S|QUEUE|SEGMENT_S|LOG_URL)"
)


def serve(
    ws: Workspace,
    bento: Bento,
    *,
    name: str | None = None,
    report: Report = silent,
    **options: Unpack[ServeOptions],
) -> Deployment:
    """Serve a Bento until `stop`, on loopback unless it shall be public; it keeps running when this process ends.

    Args:
        ws: the workspace.
        bento: what to serve.
        name: the deployment's name (default: the Bento's).
        report: hears what happens.
        options: how to serve, the fields of `Serve`.

    Returns:
        The deployment, ready to answer.

    Raises:
        UsageError: a name, host, port or number of workers that is not allowed.
        ConflictError: the port is in use (names the process), or a deployment of that name runs.
        ServingError: the Bento cannot be served, or its server did not become ready; the message says why.
    """
    name = check_name(name or bento.tag.partition(":")[0], "deployment name")
    how = Serve(**options)
    how.check()
    _check_package(bento)
    _check_log(bento, how)
    host, port = how.host, how.port
    # Once before anything is made on disk, and once more when nobody else can get in between.
    _check_free(get(ws, name) if recorded(ws, name) else None, host, port)
    with hold(ws, name):
        _check_free(get_held(ws, name) if recorded(ws, name) else None, host, port)
        for _ in range(_PORT_TRIES):
            deployment = _start(ws, bento, name, f"http://{host}:{port or free_port(host)}", how)
            report(Note(time.time(), f"starting {bento.tag} at {deployment.url}"))
            deployment = _await(deployment)
            if port or not _PORT_TAKEN.search(deployment.cause):
                break
    if deployment.status == "failed":
        raise ServingError(
            f"{bento.tag} did not start", got=deployment.cause, hint=f"read {deployment.path / LOG_FILE}"
        )
    report(Note(time.time(), f"{bento.tag} answers at {deployment.url}"))
    return deployment


def _check_package(bento: Bento) -> None:
    runtime = bento.path / "src" / "lepton_runtime" / "__main__.py"
    try:
        fault = "" if runtime.is_file() else f"{runtime} is missing"
        verify_manifest(bento.model)
    except (ModelError, OSError) as cause:
        fault = fault or str(cause)
    if fault:
        raise ServingError(f"{bento.tag} cannot be served", got=fault, hint="package the run again")


def _check_log(bento: Bento, how: Serve) -> None:
    """Refuse columns that the model does not have, and a place that segments cannot be copied to."""
    from ..runtime.privacy import Kept

    try:
        Kept.read(how.log_inputs).check(bento.tag, [one.name for one in read_signature(bento.model).inputs])
    except ModelError as cause:
        raise UsageError(str(cause).replace("LEPTON_LOG_INPUTS", "--log-inputs")) from cause
    if how.log_url:
        import fsspec

        try:
            fsspec.core.url_to_fs(how.log_url)
        except (ImportError, ValueError, OSError) as cause:
            scheme = how.log_url.partition("://")[0]
            raise UsageError(
                f"--log-url {scheme}://... cannot be used", got=str(cause), hint="install the driver that it names"
            ) from cause


def _check_free(present: Deployment | None, host: str, port: int) -> None:
    if present and present.status == "running":
        raise ConflictError(
            f"deployment {present.name!r} is running at {present.url}",
            hint=f"lepton stop {present.name}, or serve under another name with --name",
        )
    if port and (owner := port_owner(port, host)):
        raise ConflictError(
            f"port {port} is in use by {owner}", expected="a free port", hint="choose another port, or 0 for a free one"
        )


def _start(ws: Workspace, bento: Bento, name: str, url: str, how: Serve) -> Deployment:
    folder, port = ws.deployment(name), url.rpartition(":")[2]
    write_atomic(folder / "token", secrets.token_urlsafe(32), mode=0o600)
    slots = {CHAMPION: Slot(bento.tag, bento.model.resolve())}
    write_json(folder / "slots.json", slots_object(slots))
    for left_over in (*folder.glob("metrics-*.json"), *folder.glob("worker-*.json")):
        left_over.unlink()
    log = folder / LOG_FILE
    # This start's own lines alone: the reason for a failure is looked for there.
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "lepton_runtime", "--host", how.address, "--port", port]
    command += ["--workers", str(how.workers)]
    environment = _environment(folder) | how.environment()
    if how.log_url:
        # What opens that place, and nothing else.
        environment |= {key: value for key, value in os.environ.items() if _OF_STORES.fullmatch(key)}
    identity = start_process(command, log=log, cwd=bento.path / "src", env=environment)
    return write(
        Deployment(
            name=name,
            status="running",
            url=url,
            bento=bento.tag,
            pid=identity.pid,
            started=identity.started,
            workers=how.workers,
            created=time.time(),
            path=folder,
            log_inputs=how.log_inputs,
        )
    )


def _environment(folder: Path) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if _INHERITED.fullmatch(key)}
    return inherited | {
        "LEPTON_SLOTS": str((folder / "slots.json").resolve()),
        "LEPTON_LOG_DIR": str(folder.resolve()),
        "LEPTON_TOKEN_FILE": str((folder / "token").resolve()),
        # A Bento is not changed by being served.
        "PYTHONDONTWRITEBYTECODE": "1",
        # What it answers is nobody's business but its owner's.
        "ORT_DISABLE_TELEMETRY": "1",
        # Workers share the cores; thread pools of their own would only fight over them.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _await(deployment: Deployment) -> Deployment:
    """The deployment once it answers, or recorded as failed with the cause."""
    identity = Identity(deployment.pid, deployment.started)
    deadline = time.monotonic() + _READY_S
    try:
        while is_alive(identity) and time.monotonic() < deadline:
            if _is_ready(deployment):
                return deployment
            time.sleep(0.03)
    except BaseException:
        stop_process(identity)
        write(dataclasses.replace(deployment, status="failed", cause="starting it was interrupted"))
        raise
    if is_alive(identity):
        stop_process(identity)
        cause = f"it was not ready within {_READY_S:g} s"
    else:
        cause = _cause(deployment.path / LOG_FILE)
    return write(dataclasses.replace(deployment, status="failed", cause=cause))


def _is_ready(deployment: Deployment) -> bool:
    """Whether our server answers: another process that grabbed the port does not know our token."""
    connection = http.client.HTTPConnection(deployment.url.removeprefix("http://"), timeout=2)
    try:
        connection.request("GET", "/readyz")
        if connection.getresponse().read() and connection.sock is None:
            return False
        token = deployment.token_file.read_text()
        connection.request("GET", "/signature", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status == http.client.OK and deployment.bento.encode() in answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


_OF_STORES = re.compile(r"(AWS|GOOGLE|GCS|AZURE|FSSPEC)_\w+|\w+_proxy|\w+_PROXY")
_PORT_TAKEN = re.compile(r"Errno (98|48)\b|address already in use")
_REASON = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Interrupt)\b.*)|^ERROR:\s+(\[Errno.*)", re.MULTILINE)


def _cause(log: Path) -> str:
    """The last error that a server's log tells, one line."""
    text = log.read_text(errors="replace")
    if found := list(_REASON.finditer(text)):
        return str(found[-1][1] or found[-1][2]).strip()
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it ended without a word"
