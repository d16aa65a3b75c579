"""From what went wrong to what is said about it, and the exit code.

0    done
1    a negative answer: a gate refused, a training set differs
2    the user's mistake
70   ours
130  Ctrl-C
141  nobody reads the output any more
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from headrace.cli.output import json_text, note
from headrace.definitions.plain import plain
from headrace.errors import GateError, HeadraceError, InvalidInputError, QueryError, StorageError
from headrace.settings import STATE_FOLDER

__all__ = ["INTERRUPTED", "REFUSED", "fail", "outcome", "unexpected", "unwritten"]

REFUSED, MISTAKE, UNEXPECTED, INTERRUPTED, UNREAD = 1, 2, 70, 130, 141
LOG = "errors.log"


def outcome(call: Callable[[], int], *, folder: Callable[[], Path], as_json: bool) -> int:
    """The exit code of `call`, whatever it raises; what it raises is told in one line."""
    try:
        return call()
    except KeyboardInterrupt:
        note("stopped")
        return INTERRUPTED
    except BrokenPipeError:
        _unread()
        return UNREAD
    except (typer.Abort, typer.Exit):
        raise
    except HeadraceError as error:
        return _refusal(error, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last stop: a person gets one line, the traceback goes to a file
        too_long = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
        return _too_long(error, as_json=as_json) if too_long else unexpected(error, folder, as_json=as_json)


def fail(kind: str, message: str, code: int, *, as_json: bool, more: dict[str, Any] | None = None) -> int:
    """Say an error: as `error: …` on standard error, or as a JSON value on standard output."""
    if as_json:
        print(json_text({"error": {"type": kind, "message": message, "code": code, **(more or {})}}, sys.stdout))  # noqa: T201
        sys.stdout.flush()
    else:
        note(f"error: {message}")
    return code


def unexpected(error: Exception, folder: Callable[[], Path], *, as_json: bool) -> int:
    """Say that Headrace failed, and where the traceback is."""
    where = _keep_traceback(error, folder)
    summary = f"{type(error).__name__}: {error}".partition("\n")[0]
    message = f"something went wrong inside Headrace: {summary}; the traceback is in {where}"
    return fail("UnexpectedError", message, UNEXPECTED, as_json=as_json, more={"log": str(where)})


def _too_long(error: Any, *, as_json: bool) -> int:
    told = InvalidInputError(f"{str(error.filename)[:200]} can't be used: {error.strerror}")
    return _refusal(told, as_json=as_json)


def unwritten(error: OSError) -> StorageError:
    """What to say where standard output takes no more; what would still be written there goes nowhere."""
    _unread()
    return StorageError(f"standard output can't be written: {error.strerror}")


def _refusal(error: HeadraceError, *, as_json: bool) -> int:
    more: dict[str, Any] = {}
    if hasattr(error, "faults"):
        more["faults"] = list(error.faults)
    if isinstance(error, QueryError) and error.text:
        more["query"] = {name: getattr(error, name) for name in ("reason", "text", "start", "length", "suggestion")}
    report = getattr(error, "report", None)
    if report is not None:
        more["report"] = report.to_dict() if hasattr(report, "to_dict") else plain(report)
    code = REFUSED if isinstance(error, GateError) else MISTAKE
    return fail(type(error).__name__, str(error), code, as_json=as_json, more=more)


def _keep_traceback(error: Exception, folder: Callable[[], Path]) -> Path:
    text = f"headrace {' '.join(_argv())}\n{''.join(traceback.format_exception(error))}\n"
    for path in _places(folder):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as log:
                log.write(text)
        except OSError:  # a read-only project must not hide the error itself; the next place is tried
            continue
        return path
    sys.stderr.write(text)
    return Path("standard error, above")


def _places(folder: Callable[[], Path]) -> list[Path]:
    import tempfile

    temporary = Path(tempfile.gettempdir()) / f"headrace-{os.getpid()}-{LOG}"
    try:
        state = folder() / STATE_FOLDER
    except (HeadraceError, OSError):
        return [temporary]
    return [state / LOG, temporary] if state.is_dir() else [temporary]


def _argv() -> Sequence[str]:
    return sys.argv[1:]


def _unread() -> None:
    """Send the rest of standard output nowhere, so that the interpreter doesn't complain when it flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
