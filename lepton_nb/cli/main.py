"""The `lepton` shell command."""

from __future__ import annotations

import json
import os
import sys

from ..commands import PlainHost, invoke
from ..errors import LeptonError, StorageError
from ..records import Result, plain

__all__ = ["main"]

_INTERRUPTED = 130


def main(words: list[str] | None = None) -> None:
    """Run one verb and exit: 0 done, 1 failed, 2 wrong words, 130 interrupted.

    Args:
        words: the arguments (default: this process's).
    """
    try:
        outcome = invoke(sys.argv[1:] if words is None else words, PlainHost())
        _show(outcome.result, as_json=outcome.as_json)
        sys.stdout.flush()
    except LeptonError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; keep the interpreter from saying so at exit.
        _mute()
    except OSError as error:
        # A verb's own came as a LeptonError: this one is a full disk behind standard output, or the like.
        _mute()
        told = StorageError(f"standard output: {error.strerror}", hint="write it elsewhere")
        sys.stderr.write(f"{type(told).__name__}: {told}\n")
        sys.exit(told.exit_code)


def _mute() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(result: object, *, as_json: bool) -> None:
    if result is None:
        return
    if as_json:
        value = result.to_json() if isinstance(result, Result) else plain(result)
        sys.stdout.write(json.dumps(value) + "\n")
    else:
        sys.stdout.write(f"{result.as_text() if isinstance(result, Result) else result}\n")
