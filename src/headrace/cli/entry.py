"""Runs one command line: usage errors, Ctrl-C and broken pipes become exit codes here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from headrace.cli.failures import INTERRUPTED, fail, outcome, unwritten
from headrace.cli.output import note

__all__ = ["run"]

_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]  # Typer brings a Click of its own or uses the installed one


def run(arguments: Sequence[str]) -> int:
    """Run a command line, without the program's name; returns the exit code."""
    as_json = "--json" in arguments
    return outcome(lambda: _run(list(arguments) or ["--help"], as_json=as_json), folder=Path.cwd, as_json=as_json)


def _run(arguments: list[str], *, as_json: bool) -> int:
    from headrace.cli.app import app

    try:
        code = typer.main.get_command(app)(arguments, prog_name="headrace", standalone_mode=False)
    except typer.Abort:
        note("stopped")
        return INTERRUPTED
    except SystemExit as error:  # how Typer ends where nobody reads the help that it prints
        raise BrokenPipeError from error
    except OSError as error:  # verbs tell theirs
        raise unwritten(error) from error
    except _USAGE_ERROR as error:
        return _usage(error, as_json=as_json)
    return code if isinstance(code, int) else 0


def _usage(error: Any, *, as_json: bool) -> int:
    message = error.format_message()
    if not message:  # a noun without a verb: its help has been printed
        return int(error.exit_code)
    context = error.ctx
    hint = f"; see '{context.command_path} --help'" if context is not None else ""
    return fail("UsageError", f"{message.rstrip('.')}{hint}", int(error.exit_code), as_json=as_json)
