"""The doctor verb: checks a project and explains what it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.failures import REFUSED
from headrace.cli.output import Answer, Table
from headrace.cli.verb import Session, verb

if TYPE_CHECKING:
    from headrace.cli.checks import Check

__all__ = ["doctor"]

Repair = Annotated[
    bool, typer.Option("--repair", help="First repair a damaged event log: keep what can be read, and say what was lost.")
]


@verb("doctor", "headrace doctor", "headrace doctor --json", "headrace doctor --repair")
def doctor(session: Session, repair: Repair = False) -> Answer:
    """Check the project and this machine, and say what to do; exit with 1 if something doesn't work.

    Looks at settings and where each came from, the catalog, the lake, the event log, the online store, disk, packages,
    on-demand functions, freshness and the files of registered models.
    """
    from headrace.cli.checks import CHECKS, run_check

    session.require()
    lost = session.store.repair() if repair else {}
    found: list[Check] = []
    for name, check in CHECKS.items():
        told = {item.found for item in found if item.level == "fail"}  # what stands in the way of several is told once
        found += [item for item in run_check(name, check, session) if item.found not in told]
    failed = sum(1 for finding in found if finding.level == "fail")
    warned = sum(1 for finding in found if finding.level == "warn")
    table = Table(("", "CHECK", "FOUND"), [(item.level, item.name, _shown(item)) for item in found])
    summary = f"{failed} failed, {warned} warnings" if failed or warned else "all is well"
    gone = [f"lost from the log of {name}: offsets {first} to {last}" for name, ranges in lost.items() for first, last in ranges]
    return Answer({"ok": not failed, "checks": found, "lost": lost}, [*gone, table, summary], code=REFUSED if failed else 0)


def _shown(item: Check) -> str:
    return f"{item.found} → {item.advice}" if item.advice else item.found
