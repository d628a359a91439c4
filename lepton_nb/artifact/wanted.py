"""What is said of a model beyond what was recorded of its training, and what its task is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError, PackagingError, UsageError
from ..runtime import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["TAKEN", "TASKS", "Wanted", "task_of"]

TASKS = ("classification", "regression", "tensors")
# What a prediction's line and answer call something else.
TAKEN = ("id", "label", "probabilities", "outputs")


@dataclass(frozen=True)
class Wanted:
    """What is asked of a package.

    Args:
        task: one of `TASKS`; empty for what the targets of the training say.
        classes: names of the classes; empty for their numbers.
        outputs: names of what forward returns, in order; empty for its own.
        tokenizer: the `tokenizer.json` of a network over text.
        ids: the argument of forward that takes the token ids; empty where only one can be meant.
        most: tokens of a text at most; 0 for what the tokenizer says, else for what training saw.
    """

    task: str = ""
    classes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    tokenizer: Path | None = None
    ids: str = ""
    most: int = 0

    def __post_init__(self) -> None:
        if self.task and self.task not in TASKS:
            raise UsageError(f"--task {self.task!r} is not known", expected=f"one of {', '.join(TASKS)}")
        for option, names in (("--classes", self.classes), ("--outputs", self.outputs)):
            if len(set(names)) < len(names):
                raise UsageError(f"{option} names {next(n for n in names if names.count(n) > 1)!r} twice")
        if found := sorted(set(self.outputs) & set(TAKEN)):
            raise UsageError(
                f"an output cannot be called {found[0]!r}", expected=f"a name other than {', '.join(TAKEN)}"
            )
        if self.classes and self.task not in ("", "classification"):
            raise UsageError(f"--classes and --task {self.task} do not go together", hint="leave one of them out")
        if self.most < 0 or self.most > 2**20:
            raise UsageError(f"--max-length {self.most} is not allowed", expected="1 to 1,048,576 tokens")

    def content(self) -> bytes:
        """Of the tokenizer's file; empty where there is none.

        Raises:
            NotFoundError: there is no such file.
            PackagingError: it is no tokenizer.
        """
        from ..runtime.tokens import MOST_BYTES, opened_tokenizer

        if self.tokenizer is None:
            return b""
        if not self.tokenizer.is_file():
            raise NotFoundError(f"{self.tokenizer} does not exist", expected="the tokenizer.json of the network")
        with self.tokenizer.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        try:
            opened_tokenizer(content, self.tokenizer.name)
        except ModelError as cause:
            hint = "tokenizer.save('tokenizer.json') of the tokenizers library writes one"
            raise PackagingError(f"{self.tokenizer} cannot be packaged", got=str(cause), hint=hint) from cause
        return content

    def to_dict(self) -> dict[str, object]:
        """The JSON object; of the tokenizer it tells alone that there is one."""
        told = {"task": self.task, "classes": list(self.classes), "outputs": list(self.outputs), "ids": self.ids}
        return {**told, "most": self.most, "text": self.tokenizer is not None}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], tokenizer: Path) -> Wanted:
        """The object of a JSON object.

        Args:
            value: of `to_dict`.
            tokenizer: where the tokenizer lies, if there is one.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        names = tuple(map(str, value["classes"])), tuple(map(str, value["outputs"]))
        file = tokenizer if value["text"] else None
        return cls(str(value["task"]), *names, file, str(value["ids"]), int(value["most"]))

    def named(self, classes: tuple[str, ...]) -> Wanted:
        """The same with the names that the network has for its classes, where nobody asked for others."""
        asked = self.classes or self.task not in ("", "classification")
        return self if asked or not classes else replace(self, classes=classes)

    def key(self) -> list[object]:
        """What decides, with the run, what the artifact is."""
        digest = hashlib.sha256(self.content()).hexdigest()
        return [self.task, list(self.classes), list(self.outputs), self.ids, self.most, digest]

    def __bool__(self) -> bool:
        return self != Wanted()


def task_of(wanted: Wanted, answers: Mapping[str, NDArray[Any]], targets: Sequence[NDArray[Any]], name: str) -> str:
    """What a model is for.

    Args:
        wanted: what was asked for.
        answers: what the network gave to some rows, by the names of its outputs.
        targets: what it should have given.
        name: of the network, for the message.

    Returns:
        `classification` where one output is a number for each class and the targets are whole numbers, or one number
        for each row and the targets are 0 and 1; `regression` where one output is like the targets, which are
        fractional; else `tensors`.

    Raises:
        PackagingError: the outputs are not of the task that was asked for.
    """
    shapes = ", ".join(f"{key} {list(value.shape)}" for key, value in answers.items())
    only = next(iter(answers.values())) if len(answers) == 1 else None
    scores = only is not None and only.ndim == 2 and only.shape[1] > 1 and only.dtype.kind == "f"
    numbers = only is not None and only.ndim <= 2 and only.dtype.kind == "f"
    truths = [set(one.reshape(-1).tolist()) for one in targets if one.size == len(one)]
    is_single = only is not None and numbers and only.size == len(only)
    # A logit of the second of two classes, or its probability.
    pair = is_single and (not targets or (bool(truths) and truths[0] <= {0, 1}))
    task = wanted.task or ("classification" if wanted.classes else "")
    if not task and only is not None and len(targets) == 1:
        target = targets[0]
        whole = target.dtype.kind in "iu" and target.ndim == 1
        is_class = scores and whole and target.size and target.min() >= 0 and target.max() < only.shape[1]
        if is_class or (pair and truths[0] == {0, 1}):
            task = "classification"
        elif numbers and target.dtype.kind == "f" and target[0].size == only[0].size:
            task = "regression"
    task = task or "tensors"
    fits = {"classification": scores or pair, "regression": numbers}.get(task, True)
    _check(task, 2 if pair or only is None else only.shape[-1], shapes, wanted, name, fits=bool(fits))
    return task


def _check(task: str, count: int, shapes: str, wanted: Wanted, name: str, *, fits: bool) -> None:
    """Refuse outputs that are not of a task, and names that are not one for each class."""
    if not fits:
        expected = "one output [rows] or [rows, numbers]"
        if task == "classification":
            expected = "one output [rows, classes], or [rows] with targets of 0 and 1"
        raise PackagingError(
            f"network {name} does not answer as a {task}", expected=expected, got=shapes, hint="--task tensors"
        )
    if task == "classification" and wanted.classes and len(wanted.classes) != count:
        raise PackagingError(
            f"network {name} tells {count} classes apart",
            expected="a name for each",
            got=f"{len(wanted.classes)}",
        )
