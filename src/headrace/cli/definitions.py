"""The verbs that make definitions current: plan, apply."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.failures import REFUSED
from headrace.cli.loading import load_definitions
from headrace.cli.output import Answer, note
from headrace.cli.verb import Session, verb
from headrace.errors import InvalidInputError

if TYPE_CHECKING:
    from headrace.catalog.plan import Plan
    from headrace.cli.loading import Definition

__all__ = ["apply", "plan"]

Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODULE|FILE.py]...", help="Where definitions are. Default: `modules` of headrace.toml.", show_default=False
    ),
]
Prune = Annotated[bool, typer.Option("--prune", help="Also remove from the catalog what isn't among these definitions.")]


@verb("plan", "headrace plan", "headrace plan definitions.py --check")
def plan(
    session: Session,
    targets: Targets = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if something would change, for CI.")] = False,
    prune: Prune = False,
) -> Answer:
    """Show what `apply` would change, and check every definition. Nothing is changed."""
    found = session.store.catalog.plan(_definitions(session, targets), prune=prune)
    return Answer(found.to_dict(), [str(found)], code=REFUSED if check and found else 0)


@verb("apply", "headrace apply", "headrace apply features/users.py --prune --yes")
def apply(
    session: Session,
    targets: Targets = None,
    prune: Prune = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Prune without asking.")] = False,
) -> Answer:
    """Make definitions current, all of them or none; show what changed."""
    found = _definitions(session, targets)
    if prune and not yes:
        _confirm(session.store.catalog.plan(found, prune=True))
    done = session.store.apply(found, prune=prune)
    fresh = [group.id for group in done.groups if group.basis in (0, group.version)]
    if fresh:
        note(f"to bring what was written before online: headrace materialize {' '.join(fresh)}")
    return Answer(done.to_dict(), [str(done)])


def _definitions(session: Session, targets: list[str] | None) -> list[Definition]:
    return load_definitions(targets or session.settings.modules, session.home)


def _confirm(plan: Plan) -> None:
    if not plan.removed:
        return
    note(str(plan))
    if not sys.stdin.isatty():
        msg = f"--prune would remove {len(plan.removed)} definitions and nobody is there to confirm it; say --yes"
        raise InvalidInputError(msg)
    typer.confirm("Remove what is marked with - and apply the rest?", abort=True, err=True)
