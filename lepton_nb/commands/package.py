"""`lepton package`: a run becomes a Bento, and a file of one, and such a file a Bento again."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..errors import InexpressibleError, UsageError
from ..records import Bento, Data, Note, Run
from ..workspace import current, read_json
from .declare import Arg, Opt
from .evaluate import evaluate
from .find import run_of
from .host import current_host
from .refusals import require_writable

if TYPE_CHECKING:
    from ..models import Examples

# Where a notebook's own path is known: Jupyter Server tells its kernels, and VS Code its notebooks.
_SESSION, _CODE = "JPY_SESSION_NAME", "__vsc_ipynb_file__"


def package(
    run: Annotated[object, Arg("id, unique prefix, name or last.", "[RUN]", completes="run")] = "last",
    *,
    name: Annotated[str | None, Opt("Name of the Bento (default: the run's).")] = None,
    out: Annotated[Path | None, Opt("Write the Bento into this file, too, for lepton package import.", "FILE")] = None,
    closed: Annotated[str, Opt("Columns whose categories may not be others than training saw.", "COLUMN,...")] = "",
    unit: Annotated[tuple[str, ...], Opt("Unit of a number, for the signature.", "COLUMN=UNIT")] = (),
    task: Annotated[str, Opt("Of a run on loaders: classification, regression or tensors.", "TASK")] = "",
    classes: Annotated[str, Opt("Of a run on loaders: names of its classes, in order.", "NAME,...")] = "",
    outputs: Annotated[str, Opt("Of a run on loaders: names of what forward returns.", "NAME,...")] = "",
    tokenizer: Annotated[str, Opt("tokenizer.json of a network over token ids.", "[ARGUMENT=]FILE")] = "",
    max_length: Annotated[int, Opt("Tokens of a text at most (default: the tokenizer's, or training's).")] = 0,
    allow_code: Annotated[bool, Opt("Ship a network that ONNX cannot express as source and weights.")] = False,
    check: Annotated[bool, Opt("Refuse when the notebook, read and not run, has something amiss.")] = False,
    replay: Annotated[bool, Opt("Refuse when the cells above the call fail in a clean kernel.")] = False,
    notebook: Annotated[Path | None, Opt("For --check and --replay (default: the one that asks).", "FILE")] = None,
) -> Bento:
    """Turn a run into a Bento that serves without torch and without this package.

    A run that was not evaluated yet is evaluated first, so that its card travels with the model. With --allow-code, a
    network that ONNX has no form for is shipped as Python source with its weights: such a Bento is loaded by
    lepton_nb.load_model, not served, and whoever imports it must allow the code too.

    Of a run on loaders, forward's arguments are the inputs; with --tokenizer its token ids become a text.

    --check looks for names that no cell defines before they are used, imports that no environment file pins, and
    secrets in outputs. --replay runs the cells above the call; those that train, serve or otherwise start or change
    something are left out. Both take the notebook as it was saved last.
    """
    from .. import packaging

    if out is not None:
        require_writable(out := Path(out))
    if check or replay:
        _examine(_notebook(notebook), check=check, replay=replay)
    elif notebook is not None:
        raise UsageError(f"--notebook {notebook} is for --check and --replay", hint="add one of them")
    ws = current()
    found = run_of(ws, run)
    bento = packaging.package(
        ws,
        found,
        _source_of(found),
        name=name,
        allow_code=allow_code,
        closed=_names(closed),
        units=_units(unit),
        wanted=_wanted(task, classes, outputs, str(tokenizer), max_length),
    )
    return _noted(bento) if out is None else _filed(_noted(bento), out)


def _noted(bento: Bento) -> Bento:
    """The Bento, when it was said what was taken for granted of a run on loaders."""
    with contextlib.suppress(FileNotFoundError):
        for note in read_json(bento.model / "card.json").get("notes") or ():
            _tell(str(note))
    return bento


def _filed(bento: Bento, out: Path) -> Bento:
    """The Bento, which lies in a file as well."""
    from .. import packaging

    packaging.write_archive(bento, out)
    _tell(f"{bento.tag} is in {out.absolute()} ({out.stat().st_size:,} bytes)")
    return bento


def _source_of(run: Run) -> Data | Examples:
    """What a run was trained on; one on loaded data is evaluated first, where it was not yet."""
    from .. import artifact, models

    if (examples := artifact.examples_of(run)) is not None:
        card = run.path / "artifact" / "card.json"
        if models.environment_of(run.path) and not (card.is_file() and "return" in read_json(card)["metrics"]):
            evaluate(run)
        return examples
    if not (run.path / "artifact" / "card.json").is_file():
        # A network that is shipped as source gets its card where it is packaged.
        with contextlib.suppress(InexpressibleError):
            evaluate(run)
    return artifact.data_of(current(), run)


def _wanted(task: str, classes: str, outputs: str, tokenizer: str, most: int) -> Any:
    """What is asked of a package of a run on loaders."""
    from ..artifact import Wanted

    ids, equals, file = tokenizer.partition("=")
    path = Path(file if equals and ids.isidentifier() else tokenizer) if tokenizer else None
    ids = ids if equals and ids.isidentifier() else ""
    return Wanted(task, _names(classes), _names(outputs), path, ids, most)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _units(texts: tuple[str, ...]) -> dict[str, str]:
    """Units by column, from `COLUMN=UNIT`."""
    parted = [text.partition("=") for text in texts]
    if wrong := [name for name, equals, unit in parted if not (name and equals and unit)]:
        raise UsageError(f"--unit {wrong[0]} is no unit", expected="COLUMN=UNIT, such as age=years")
    return {name: unit for name, _, unit in parted}


def package_import(
    file: Annotated[Path, Arg("what lepton package --out made.", "FILE")],
    *,
    name: Annotated[str | None, Opt("Name of the Bento (default: the one it was packaged under).")] = None,
    allow_code: Annotated[bool, Opt("Run and keep the source of a network that is shipped as such.")] = False,
) -> Bento:
    """Take a package from a file into this store, when its hashes are right and it answers its golden batch.

    Nothing in the file is unpickled, and without --allow-code nothing in it is run: the model is served by this
    installation's own runtime.
    """
    from .. import packaging

    return packaging.import_package(current(), Path(file), name=name, allow_code=allow_code)


def _examine(notebook: Path, *, check: bool, replay: bool) -> None:
    from .. import packaging

    if check:
        count = packaging.check_notebook(notebook, current().root)
        _tell(f"{notebook.name}: {count} cells read, nothing amiss")
    if replay:
        _tell(f"{notebook.name}: {packaging.replay(notebook)}")


def _notebook(asked: Path | None) -> Path:
    """The notebook that is meant, or the one that runs this verb.

    Raises:
        UsageError: it cannot be known.
    """
    if asked is not None:
        return Path(asked)
    host = current_host()
    named = str(host.resolve(_CODE)) if host.knows(_CODE) else os.environ.get(_SESSION, "")
    if named.endswith(".ipynb") and Path(named).is_file():
        return Path(named)
    raise UsageError(
        "it is not known which notebook is meant",
        expected="a notebook in JupyterLab or VS Code, or its path",
        hint="--notebook FILE.ipynb",
    )


def _tell(text: str) -> None:
    current_host().report(Note(time.time(), text))
