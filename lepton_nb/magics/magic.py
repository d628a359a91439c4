"""`%lepton` and `%%lepton`."""

from __future__ import annotations

import builtins
import json
from typing import Any

from ..errors import NotFoundError, UsageError

__all__ = ["LeptonMagic", "load"]


class NotebookHost:
    """A notebook: its variables by name, progress as a widget."""

    def __init__(self, shell: Any) -> None:
        from ..commands import Progress, ask_to_stop

        self._shell = shell
        self._objects: dict[str, object] = {}
        self.progress = Progress(notebook=type(shell).__name__ == "ZMQInteractiveShell", stop=ask_to_stop)

    def knows(self, name: str) -> bool:
        """Whether a variable of the notebook, or an expression of this line, has that name."""
        return name in self._objects or name in self._shell.user_ns

    def names(self) -> tuple[str, ...]:
        """The variables of the notebook."""
        return tuple(self._shell.user_ns)

    def resolve(self, name: str) -> object:
        """The variable, or the object at `package.module:attribute`."""
        from ..commands import import_object

        if name in self._objects:
            return self._objects[name]
        if name in self._shell.user_ns:
            return self._shell.user_ns[name]
        return import_object(name)

    def report(self, event: Any) -> None:
        """Draw the event in the cell."""
        self.progress.show(event)

    def text_of(self, expression: str) -> str:
        """The text of an expression; an object without one is kept and found by its expression.

        Raises:
            NotFoundError: a name in it is not defined.
            UsageError: it cannot be evaluated.
        """
        from ..records import Result

        try:
            # The line is the user's own code, as the rest of the cell is.
            value = eval(expression, self._shell.user_global_ns, self._shell.user_ns)  # noqa: S307
        except NameError as cause:
            raise NotFoundError(
                f"{cause.name or expression!r} is not defined in this notebook", hint="run the cell that defines it"
            ) from None
        except Exception as cause:
            raise UsageError(f"{{{expression}}} cannot be evaluated", got=f"{type(cause).__name__}: {cause}") from cause
        if isinstance(value, Result) or type(value).__module__ in {builtins.__name__, "pathlib", "numpy"}:
            return str(value)
        self._objects[key := f"{{{expression}}}"] = value
        return key


class LeptonMagic:
    """The magic function. IPython asks it for its help, which is made from the verbs.

    Args:
        shell: the InteractiveShell it is registered with.
    """

    # IPython would expand the line itself and swallow what fails.
    _ipython_magic_no_var_expand = True

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.__name__ = "lepton"
        self.__qualname__ = "lepton"

    @property
    def __signature__(self) -> Any:
        import inspect

        return inspect.signature(lambda line, cell=None: None)

    def getdoc(self) -> str:
        """The help of all verbs."""
        from ..commands import root

        group = root()
        with group.make_context("%lepton", [], resilient_parsing=True) as context:
            return group.get_help(context)

    def __call__(self, line: str, cell: str | None = None) -> Any:
        """Run one verb; its result is the cell's value."""
        from ..commands import arguments_of, invoke
        from ..records import Result, plain
        from .words import from_yaml, split, take_output_name

        host = NotebookHost(self._shell)
        words, name = take_output_name(split(line, host.text_of))
        if cell is not None:
            words += from_yaml(cell, host.text_of, arguments_of(words))
        try:
            outcome = invoke(words, host)
        finally:
            host.progress.close()
        result = outcome.result
        if name is not None:
            self._shell.user_ns[name] = result
        if outcome.as_json and result is not None:
            value = result.to_json() if isinstance(result, Result) else plain(result)
            print(json.dumps(value))  # noqa: T201 - the cell's output is where JSON was asked for
            return None
        return result


def load(shell: Any) -> None:
    """Register the magic, its completion and `%lepton VERB?` with an InteractiveShell."""
    from .completion import Matcher, question

    shell.register_magic_function(LeptonMagic(shell), magic_kind="line_cell", magic_name="lepton")
    if question not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(question)
    completer = getattr(shell, "Completer", None)
    known = [getattr(matcher, "matcher_identifier", "") for matcher in completer.custom_matchers] if completer else []
    if completer is not None and Matcher.matcher_identifier not in known:
        completer.custom_matchers.append(Matcher(lambda: NotebookHost(shell)))
