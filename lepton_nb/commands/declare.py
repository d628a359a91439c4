"""One definition of a verb: a typed function, from which its click command is made."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click

__all__ = ["Arg", "Opt", "command_of", "group_of"]


@dataclass(frozen=True)
class Arg:
    """A positional argument of a verb.

    Args:
        help: one line.
        metavar: how help calls it (default: the parameter's name in capitals).
        completes: what Tab offers there, a kind of `candidates`.
    """

    help: str
    metavar: str = ""
    completes: str = ""


@dataclass(frozen=True)
class Opt:
    """An option of a verb.

    Args:
        help: one line.
        metavar: how help calls its value.
        flag: its name (default: the parameter's, with dashes).
        completes: what Tab offers there, a kind of `candidates`.
    """

    help: str
    metavar: str = ""
    flag: str = ""
    completes: str = ""


class _Anything(click.ParamType[Any]):
    """An object from Python, a name or a reference from a magic or a shell."""

    name = "value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """`value` as it came: what it refers to is looked up by the verb."""
        return value


def command_of(function: Callable[..., Any], name: str) -> click.Command:
    """The click command of a verb.

    Args:
        function: its parameters are annotated `Annotated[type, Arg(...)]` or `Annotated[type, Opt(...)]`;
            its docstring is the help, up to the section of its arguments.
        name: what it is called on the command line.

    Returns:
        A command whose callback is `function`; `--json` is noted in the context's `meta`.
    """
    hints = get_type_hints(function, include_extras=True)
    text = _with_arguments(_help(function), function, hints)
    return click.Command(name, callback=function, params=_parameters(function, hints), help=text)


def group_of(function: Callable[..., Any], name: str) -> click.Group:
    """The click group of a verb that has verbs below it, and runs `function` when none of them is named.

    Args:
        function: as in `command_of`.
        name: what it is called on the command line.
    """

    def unless_named(**values: Any) -> Any:
        return None if click.get_current_context().invoked_subcommand else function(**values)

    hints = get_type_hints(function, include_extras=True)
    group = click.Group(
        name,
        callback=unless_named,
        params=_parameters(function, hints),
        help=_with_arguments(_help(function), function, hints),
        invoke_without_command=True,
    )
    # Options may stand behind an argument, as they may with a verb that has none below it.
    group.allow_interspersed_args = any(isinstance(param, click.Argument) for param in group.params)
    return group


def _help(function: Callable[..., Any]) -> str:
    return inspect.cleandoc(function.__doc__ or "").split("\nArgs:")[0].split("\nReturns:")[0].strip()


def _parameters(function: Callable[..., Any], hints: dict[str, Any]) -> list[click.Parameter]:
    params = [
        _parameter(parameter, hints[parameter.name]) for parameter in inspect.signature(function).parameters.values()
    ]
    flag = click.Option(
        ["--json"], is_flag=True, expose_value=False, callback=_note_json, help="Print one JSON object."
    )
    return [*params, flag]


def _note_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta["lepton.json"] = value or ctx.meta.get("lepton.json", False)


def _with_arguments(text: str, function: Callable[..., Any], hints: dict[str, Any]) -> str:
    """The help with its positional arguments explained, which click leaves to the docstring."""
    lines = [
        f"{mark.metavar or name.upper()}: {mark.help}"
        for name in inspect.signature(function).parameters
        for mark in get_args(hints[name])[1:]
        if isinstance(mark, Arg)
    ]
    return text + ("\n\n\b\n" + "\n".join(lines) if lines else "")


def _parameter(parameter: inspect.Parameter, hint: Any) -> click.Parameter:
    kind, mark = get_args(hint)[:2]
    required = parameter.default is inspect.Parameter.empty
    # To click a default of None is a default: a required parameter must have none at all.
    default: dict[str, Any] = {"required": True} if required else {"default": parameter.default}
    many = get_origin(kind) is tuple
    shape = _click_type(get_args(kind)[0] if many else kind)
    if isinstance(mark, Arg):
        metavar = mark.metavar or parameter.name.upper()
        return click.Argument(
            [parameter.name],
            type=shape,
            nargs=-1 if many else 1,
            metavar=metavar if required or metavar.startswith("[") else f"[{metavar}]",
            shell_complete=_completer(mark.completes),
            **default,
        )
    flag = mark.flag or "--" + parameter.name.replace("_", "-")
    return click.Option(
        [flag, parameter.name],
        type=shape,
        multiple=many,
        is_flag=kind is bool,
        help=mark.help,
        metavar=mark.metavar or None,
        shell_complete=_completer(mark.completes),
        show_default=not required and parameter.default is not False and parameter.default not in (None, ()),
        **default,
    )


def _completer(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]] | None:
    """What click asks for completions, in a shell as in a notebook; None where a type knows best."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        from .candidates import candidates

        return candidates(kind, incomplete)

    return complete if kind else None


def _click_type(kind: Any) -> click.ParamType[Any]:
    if get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    known: dict[Any, click.ParamType[Any]] = {
        int: click.INT,
        float: click.FLOAT,
        str: click.STRING,
        bool: click.BOOL,
        Path: click.Path(path_type=Path),
    }
    return known.get(kind) or _Anything()
