"""What a pipeline asks of the registry: may this version go to production, and is it there yet."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.failures import REFUSED
from headrace.cli.output import Answer, note
from headrace.cli.verb import Session, verb
from headrace.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from headrace.models.version import ModelVersion

__all__ = ["gate", "wait"]

LATE = 124
"""The exit code of a wait that took too long, as `timeout` has it."""
_PAUSE, _LONGEST_PAUSE = 0.2, 2.0


@verb("gate", "headrace gate video-ranker 4", "headrace gate video-ranker @challenger --markdown report.md")
def gate(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="MODEL", help="A registered model.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A number, @ALIAS, a stage, or latest.")],
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Also write a report for a pull request; - for standard output."),
    ] = None,
) -> Answer:
    """Judge a version by its model's gates; nothing changes. Exit with 0 if they pass, 1 if they refuse, 2 if it isn't there."""
    from headrace.models.markdown import gate_report

    report = session.store.models.check_gates(name, version)
    said = str(report)
    if markdown is not None:
        text = gate_report(report, session.store.models.get(name, str(report.version)))
        if str(markdown) == "-":
            said = text
        else:
            _write(markdown, text)
    return Answer(report.to_dict(), [said], code=0 if report.passed else REFUSED)


@verb(
    "wait", "headrace wait models:/video-ranker@champion --version 4", "headrace wait models:/video-ranker@champion --timeout 600"
)
def wait(
    session: Session,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="models:/NAME@ALIAS, or models:/NAME/STAGE.")],
    version: Annotated[
        int | None, typer.Option("--version", help="Wait for this version. Default: for any, or another one.")
    ] = None,
    change: Annotated[bool, typer.Option("--change", help="Wait until it names another version than now.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait; then exit with 124.")] = 3600.0,
) -> Answer:
    """Wait until an address names a version: after an approval, before a deployment."""
    first = _named(session, address) if change else None
    until, pause = time.monotonic() + timeout, _PAUSE
    while True:
        found = _named(session, address)
        there = (
            found is not None and version in (None, found.version) and not (change and first and found.version == first.version)
        )
        if found is not None and there:
            return Answer(found.to_dict(), [f"{address} is version {found.version}"])
        if time.monotonic() + pause > until:
            now = "nothing" if found is None else f"version {found.version}"
            note(f"{address} is {now} after {timeout:g} s")
            return Answer({"address": address, "version": found.version if found else None}, [], code=LATE)
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _named(session: Session, address: str) -> ModelVersion | None:
    """The version that an address names now; None as long as it names none."""
    from headrace.models.version import ModelVersion, parse_uri

    parts = parse_uri(address)
    if parts.model_id:
        msg = f"{address} is a logged model, which changes no more; wait for models:/NAME@ALIAS"
        raise InvalidInputError(msg)
    try:
        found = session.store.models.resolve(address)
    except NotFoundError:
        return None
    return found if isinstance(found, ModelVersion) else None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"the report can't be written to {path}: {error.strerror}"
        raise InvalidInputError(msg) from error
