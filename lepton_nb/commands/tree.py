"""Every verb, by the path a person types; one module each, imported when it is called or explained."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import click

from ..errors import UsageError
from .declare import command_of, group_of
from .host import Host, hosted
from .refusals import of_module, of_system
from .replaying import in_replay

__all__ = ["FUNCTIONS", "VERBS", "Outcome", "arguments_of", "face", "invoke", "root"]

# Path of words -> module of this package. The function in it is named by the words, joined by '_'.
VERBS = {
    "data load": "data",
    "data check": "data",
    "data profile": "data",
    "data drift": "data",
    "train": "train",
    "tune": "tune",
    "tune show": "tune",
    "tune delete": "tune",
    "attach": "train",
    "resume": "train",
    "models list": "models",
    "models show": "models",
    "runs": "runs",
    "runs show": "runs",
    "runs compare": "runs",
    "runs delete": "runs",
    "evaluate": "evaluate",
    "export": "export",
    "package": "package",
    "package import": "package",
    "serve": "serve",
    "deployments": "deployments",
    "predict": "predict",
    "promote": "serve",
    "rollback": "serve",
    "logs": "serve",
    "client": "client",
    "monitor": "monitor",
    "feedback": "feedback",
    "watch": "watch",
    "stop": "stop",
    "pipeline run": "pipeline",
    "pipeline status": "pipeline",
    "pipeline graph": "pipeline",
    "pipeline new": "pipeline",
    "output": "output",
    "dashboard": "dashboard",
    "deploy": "deploy",
    "clean": "clean",
    "doctor": "doctor",
}

# Functions for notebooks that are no verbs, and their modules.
FUNCTIONS = {
    "read_data": "reading",
    "network_probabilities": "reading",
    "load_model": "reading",
    "play": "playing",
}

_GROUP_HELP = {
    "data": "Load, check, profile and compare data sets.",
    "pipeline": "Run notebooks as the steps of a pipeline.",
}


def face(name: str) -> Callable[..., Any]:
    """The Python function of a verb, by its flattened name such as `data_load`, or one of `FUNCTIONS`.

    Raises:
        AttributeError: there is no such function.
    """
    modules = FUNCTIONS | {path.replace(" ", "_"): module for path, module in VERBS.items()}
    if name not in modules:
        raise AttributeError(name)
    function: Callable[..., Any] = getattr(importlib.import_module(f".{modules[name]}", __package__), name)
    return function if name in FUNCTIONS else in_replay(function)


class _Verbs(click.Group):
    """A group that imports a verb's module only when that verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The first words, in the order of a model's life."""
        return list(dict.fromkeys(path.split()[0] for path in VERBS))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, or the group of verbs, that begins with this word."""
        paths = [path for path in VERBS if path.split()[0] == cmd_name]
        if not paths:
            return None
        if paths == [cmd_name]:
            return _listed(command_of(face(cmd_name), cmd_name))
        group = (
            group_of(face(cmd_name), cmd_name)
            if cmd_name in VERBS
            else group_of(face(f"{cmd_name}_list"), cmd_name)
            if f"{cmd_name} list" in VERBS
            else click.Group(cmd_name, help=_GROUP_HELP[cmd_name])
        )
        for path in paths:
            if path != cmd_name:
                group.add_command(_listed(command_of(face(path.replace(" ", "_")), path.split()[1])))
        return _listed(group)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb of these words; an unknown one is met with the nearest that exist."""
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            raise click.exceptions.NoSuchCommand(args[0], possibilities=self.list_commands(ctx), ctx=ctx)
        # Where the verb above takes an argument too, the second word would be taken for that.
        if (path := " ".join(args[:2])) in VERBS and len(args) > 1:
            return path, _listed(command_of(face(path.replace(" ", "_")), args[1])), args[2:]
        return super().resolve_command(ctx, args)


def _listed(verb: click.Command) -> click.Command:
    """The verb itself, listed by its whole first line, which click would cut off to fit one line."""
    verb.short_help = (verb.help or "").partition("\n")[0]
    return verb


def root() -> click.Group:
    """The tree of all verbs."""
    group = _Verbs("lepton", help="Train, evaluate, package, serve and monitor models.", no_args_is_help=True)
    group.params.append(_version_option())
    return group


def arguments_of(words: list[str]) -> tuple[str, ...]:
    """The names of the arguments that the verb of these words takes without a flag.

    Example:
        >>> arguments_of(["train"]), arguments_of(["runs", "show", "last"])
        (('network',), ('run',))
    """
    command: click.Command = root()
    context = click.Context(command, info_name="lepton")
    for word in words:
        child = command.get_command(context, word) if isinstance(command, click.Group) else None
        if child is None:
            break
        command, context = child, click.Context(child, parent=context, info_name=word)
    return tuple(str(param.name) for param in command.params if isinstance(param, click.Argument))


def _version_option() -> click.Option:
    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            from importlib import metadata

            click.echo(f"lepton_nb {metadata.version('lepton_nb')}")
            ctx.exit()

    return click.Option(["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help="Version.")


class Outcome:
    """What a verb returned, and whether JSON was asked for."""

    def __init__(self, result: Any, as_json: bool) -> None:
        self.result, self.as_json = result, as_json


def invoke(words: list[str], host: Host) -> Outcome:
    """Run the verb that `words` spell, in `host`.

    `make_context` and `invoke` instead of `main`, which would turn Ctrl-C into an Abort.

    Raises:
        UsageError: the words are wrong; the message says what would be right.
        LeptonError: the verb failed, by itself or because the system refused it a file, a connection or a module.
        BrokenPipeError: nobody reads the help.
    """
    group = root()
    try:
        with hosted(host), group.make_context("lepton", list(words)) as context:
            result = group.invoke(context)
            return Outcome(result, bool(context.meta.get("lepton.json")))
    except click.exceptions.Exit:
        return Outcome(None, as_json=False)
    except click.exceptions.NoArgsIsHelpError as shown:
        click.echo(shown.ctx.get_help() if shown.ctx else "")
        return Outcome(None, as_json=False)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "lepton"
        raise UsageError(error.format_message().rstrip("."), hint=f"{where} --help") from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise of_system(error) from error
    except ModuleNotFoundError as error:
        raise of_module(error) from error
