"""The verbs of requests to move versions, and of the whole audit trail."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.output import Answer, Table
from headrace.cli.values import short_time
from headrace.cli.verb import Session, Verb, verb
from headrace.errors import AccessError
from headrace.models.requests import TransitionRequest

__all__ = ["VERBS"]

Id = Annotated[str, typer.Argument(metavar="REQUEST", help="A request's id, or the start of it.")]
Comment = Annotated[str, typer.Option("--comment", help="A comment.")]


@verb("request", 'headrace models request video-ranker 4 --reason "better on new users"')
def request(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A registered model.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A number, @ALIAS, a stage, or latest.")],
    to: Annotated[str, typer.Option("--to", metavar="STAGE", help="The stage to move it to.")] = "Production",
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who decide.")] = "",
) -> Answer:
    """Ask for a version to be moved to a stage, for others to approve."""
    models = session.store.models
    made = models.requests.open(name, models.get(name, version).version, to, reason)
    return Answer(made.to_dict(), [str(made), f"approve it with: headrace models approve {made.id}"])


@verb("requests", "headrace models requests", "headrace models requests video-ranker --all")
def requests(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Default: of all models.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Decided ones too.")] = False,
) -> Answer:
    """List requests that wait for a decision."""
    found = session.store.models.requests.list(name, status=None if every else "open")
    columns = ("ID", "MODEL", "VERSION", "TO", "BY", "WHEN (UTC)", "STATUS", "APPROVED BY", "REASON")
    rows = [
        (r.id, r.name, r.version, r.stage, r.user, short_time(r.created), r.status, ", ".join(r.approved_by), r.reason)
        for r in found
    ]
    return Answer([each.to_dict() for each in found], [Table(columns, rows, "no request waits")])


@verb("approve", 'headrace models approve 4f0c --comment "looked at the slices"')
def approve(session: Session, request: Id, comment: Comment = "") -> Answer:
    """Approve a request. The last approval needed moves the version, if its gates pass; exit with 1 if they refuse."""
    return _told(session.store.models.requests.approve(request, comment))


@verb("reject", 'headrace models reject 4f0c --comment "worse on new users"')
def reject(session: Session, request: Id, comment: Comment = "") -> Answer:
    """Reject a request."""
    return _told(session.store.models.requests.reject(request, comment))


@verb("withdraw", "headrace models withdraw 4f0c")
def withdraw(session: Session, request: Id, comment: Comment = "") -> Answer:
    """Withdraw a request of one's own."""
    return _told(session.store.models.requests.withdraw(request, comment))


@verb("comment", 'headrace models comment 4f0c "which users are new?"')
def comment(session: Session, request: Id, text: Annotated[str, typer.Argument(metavar="TEXT", help="A comment.")]) -> Answer:
    """Comment on a request."""
    return _told(session.store.models.requests.comment(request, text))


@verb("audit", "headrace models audit --limit 20", "headrace models audit --verify")
def audit(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", help="Show at most this many entries, the newest.")] = 50,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check every trail, that of users too: no entry changed, removed or added.")
    ] = False,
) -> Answer:
    """Show what was done to all models, newest first, refusals included; deleted models keep their trail."""
    models = session.store.models
    checked = _checked(session) if verify else None
    entries = models.audit.newest(limit)
    rows = [(short_time(e.time), e.user, e.subject, e.version, e.action, e.reason) for e in entries]
    table = Table(("TIME (UTC)", "USER", "MODEL", "VERSION", "ACTION", "REASON"), rows, "nothing was done yet")
    said = [] if checked is None else [f"the trails are whole: {checked}"]
    return Answer([entry.to_dict() for entry in entries], [table, *said])


VERBS: tuple[Verb[...], ...] = (request, requests, approve, reject, withdraw, comment, audit)


def _checked(session: Session) -> str:
    """How many entries were found whole. Raises IntegrityError."""
    models = session.store.models
    entries = sum(models.verify_history(name) for name in models.trails())
    try:
        session.store.accounts.history(0)
    except AccessError:
        return f"{entries} entries of models; that of users and tokens is an admin's to check"
    return f"{entries} entries of models, and that of users and tokens"


def _told(request: TransitionRequest) -> Answer:
    return Answer(request.to_dict(), [str(request)])
