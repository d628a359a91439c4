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

__all__ = ["Arg", "Opt", "command_of"]


@dataclass(frozen=True)
class Arg:
    """A positional argument of a verb.

    Args:
        help: one line.
        metavar: how help calls it (default: the parameter's name in capitals).
    """

    help: str
    metavar: str = ""


@dataclass(frozen=True)
class Opt:
    """An option of a verb.

    Args:
        help: one line.
        metavar: how help calls its value.
        flag: its name (default: the parameter's, with dashes).
    """

    help: str
    metavar: str = ""
    flag: str = ""


class _Anything(click.ParamType):
    """An object from Python, a name or a reference from a magic or a shell."""

    name = "value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """`value` as it came: what it refers to is looked up by the verb."""
        return value


def command_of(function: Callable[..., Any], name: str, *, group: bool = False) -> click.Command:
    """The click command of a verb.

    Args:
        function: its parameters are annotated `Annotated[type, Arg(...)]` or `Annotated[type, Opt(...)]`;
            its docstring is the help, up to the section of its arguments.
        name: what it is called on the command line.
        group: make a group that runs `function` when no verb of the group is named.

    Returns:
        A command whose callback is `function`; `--json` is noted in the context's `meta`.
    """
    hints = get_type_hints(function, include_extras=True)
    params = [
        _parameter(parameter, hints[parameter.name])
        for parameter in inspect.signature(function).parameters.values()
    ]
    params.append(
        click.Option(["--json"], is_flag=True, expose_value=False, callback=_note_json, help="Print one JSON object.")
    )
    text = inspect.cleandoc(function.__doc__ or "").split("\nArgs:")[0].split("\nReturns:")[0].strip()
    if group:
        return click.Group(name, callback=_unless_named(function), params=params, help=text, invoke_without_command=True)
    return click.Command(name, callback=function, params=params, help=_with_arguments(text, function, hints))


def _note_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta["lepton.json"] = value or ctx.meta.get("lepton.json", False)


def _unless_named(function: Callable[..., Any]) -> Callable[..., Any]:
    def callback(**values: Any) -> Any:
        return None if click.get_current_context().invoked_subcommand else function(**values)

    return callback


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
    default = None if required else parameter.default
    many = get_origin(kind) is tuple
    shape = _click_type(get_args(kind)[0] if many else kind)
    if isinstance(mark, Arg):
        metavar = mark.metavar or parameter.name.upper()
        return click.Argument(
            [parameter.name],
            type=shape,
            required=required,
            default=default,
            nargs=-1 if many else 1,
            metavar=metavar if required else f"[{metavar}]",
        )
    flag = mark.flag or "--" + parameter.name.replace("_", "-")
    return click.Option(
        [flag, parameter.name],
        type=shape,
        required=required,
        default=default,
        multiple=many,
        is_flag=kind is bool,
        help=mark.help,
        metavar=mark.metavar or None,
        show_default=not (default is None or default is False or default == ()),
    )


def _click_type(kind: Any) -> click.ParamType:
    if get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    known: dict[Any, click.ParamType] = {
        int: click.INT,
        float: click.FLOAT,
        str: click.STRING,
        bool: click.BOOL,
        Path: click.Path(path_type=Path),
    }
    return known.get(kind) or _Anything()
