"""`headrace reproduce`: run a run again, and see whether the same comes out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.failures import REFUSED
from headrace.cli.output import Answer, Fields, Part, Table
from headrace.cli.verb import Session, verb
from headrace.errors import InvalidInputError
from headrace.progress import bar

if TYPE_CHECKING:
    from headrace.reproduce.service import Reproduction

__all__ = ["reproduce"]

SHOWN = 12


@verb(
    "reproduce",
    "headrace reproduce 0190f7c2",
    "headrace reproduce 0190f7c2 --no-env --tolerance 0.001",
    "headrace reproduce 0190f7c2 --tolerance auc=0.01 --into /tmp/again",
)
def reproduce(
    session: Session,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or a beginning of it that no other run has.")],
    no_env: Annotated[
        bool, typer.Option("--no-env", help="Use the packages that are installed here, not those of the run.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="A new folder for code and packages.", file_okay=False)
    ] = None,
    repository: Annotated[
        Path | None, typer.Option("--repository", metavar="DIR", help="A repository that has the run's commit.", file_okay=False)
    ] = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option("--tolerance", help="How far numbers may differ, as a share: 0.001, or auc=0.01 for one metric."),
    ] = None,
) -> Answer:
    """Run a run again: its commit and diff, its packages, its data, its command. Exit with 1 if something else comes out."""
    from headrace.reproduce.service import TOLERANCE
    from headrace.reproduce.service import reproduce as again

    general, own = _tolerances(tolerance or [], TOLERANCE)
    with bar() as progress:
        found = again(
            session.store,
            run,
            into=into,
            repository=repository,
            build=not no_env,
            tolerance=general,
            tolerances=own,
            progress=progress,
        )
    return Answer(found.to_dict(), _parts(found), code=0 if found else REFUSED)


def _tolerances(texts: list[str], general: float) -> tuple[float, dict[str, float]]:
    own: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not value >= 0 or (equals and not name):
            msg = f"--tolerance {text}: give a share such as 0.001, or a metric's such as auc=0.01"
            raise InvalidInputError(msg)
        if equals:
            own[name] = value
        else:
            general = value
    return general, own


def _parts(found: Reproduction) -> list[Part]:
    words = {
        "same": f"the same came out: {found.metrics} metrics, at last, lowest and highest",
        "differs": "something else came out",
        "failed": f"the command failed (exit code {found.exit_code})"
        if found.exit_code
        else "the command logged no finished run",
    }[found.verdict]
    facts = Fields(
        [("run", found.run_id), ("reproduced by", found.again), ("command", " ".join(found.command)), ("in", found.folder)]
    )
    told = [("code", text) for text in found.missing]
    told += [("packages", text) for text in found.environment[:SHOWN]]
    if len(found.environment) > SHOWN:
        told.append(("packages", f"and {len(found.environment) - SHOWN} more; --json lists them all"))
    told += [("data", f"{item.name}: {item.state}; {item.words}") for item in found.data]
    differences = [(item.kind, item.name, item.before, item.after) for item in found.differences]
    return [words, facts, Table(("ABOUT", "WHAT IS TO BE SAID"), told), Table(("", "WHICH", "RUN", "AGAIN"), differences)]
