"""The verbs of webhooks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from headrace.cli.output import Answer, Table
from headrace.cli.values import short_time
from headrace.cli.verb import Session, Verb, verb
from headrace.errors import InvalidInputError
from headrace.webhooks.webhook import STYLES, Delivery, Style

__all__ = ["VERBS"]

Id = Annotated[str, typer.Argument(metavar="ID", help="As `webhooks list` shows it.")]


@verb(
    "create",
    "headrace webhooks create https://ci.example.com/hooks/headrace --event model_version.promoted",
    "HEADRACE_WEBHOOK_SECRET=… headrace webhooks create https://ci.example.com/hooks/headrace --model video-ranker",
)
def create(
    session: Session,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to send, https://…")],
    event: Annotated[list[str] | None, typer.Option("--event", help="Only this event; may be repeated. Default: all.")] = None,
    model: Annotated[str, typer.Option("--model", help="Only events of this model.")] = "",
    name: Annotated[str, typer.Option("--name", help="What to call it.")] = "",
    style: Annotated[str, typer.Option("--style", help="headrace; or mlflow, for receivers of MLflow's webhooks.")] = "headrace",
) -> Answer:
    """Send the registry's events to an address. Deliveries are signed with HEADRACE_WEBHOOK_SECRET, if it is set now."""
    secret = os.environ.get("HEADRACE_WEBHOOK_SECRET", "")
    made = session.store.webhooks.create(url, event or ("*",), model=model, name=name, secret=secret, style=_style(style))
    return Answer(
        made.to_dict(), [f"webhook {made.id} is told of {', '.join(made.events)}; try it: headrace webhooks test {made.id}"]
    )


@verb("list", "headrace webhooks list")
def list_webhooks(session: Session) -> Answer:
    """List webhooks and their events."""
    found = session.store.webhooks.list()
    rows = [(w.id, w.url, ", ".join(w.events), w.model or "all", "yes" if w.secret else "no", w.active) for w in found]
    columns = ("ID", "URL", "EVENTS", "MODEL", "SIGNED", "ACTIVE")
    return Answer([each.to_dict() for each in found], [Table(columns, rows, "no webhooks")])


@verb("remove", "headrace webhooks remove 4f0c9a7be1d2")
def remove(session: Session, webhook: Id) -> Answer:
    """Remove a webhook and its deliveries."""
    session.store.webhooks.remove(webhook)
    return Answer({"id": webhook, "removed": True}, [f"webhook {webhook} is told nothing any more"])


@verb("test", "headrace webhooks test 4f0c9a7be1d2")
def test(session: Session, webhook: Id) -> Answer:
    """Send a ping now; exit with 1 if it isn't accepted."""
    sent = session.store.webhooks.test(webhook)
    return Answer(sent.to_dict(), _told([sent]), code=0 if sent.status == "done" else 1)


@verb("deliveries", "headrace webhooks deliveries", "headrace webhooks deliveries 4f0c9a7be1d2 --status failed")
def deliveries(
    session: Session,
    webhook: Annotated[str | None, typer.Argument(metavar="[ID]", help="Default: of all webhooks.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="waiting, done or failed.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="Show at most this many, the newest.")] = 50,
) -> Answer:
    """List deliveries: what was sent, what waits, and what was answered."""
    found = session.store.webhooks.deliveries(webhook, status, limit)
    return Answer([each.to_dict() for each in found], _told(found))


@verb("replay", "headrace webhooks replay 0190f7c2e0aa7d3e")
def replay(session: Session, delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="A delivery's id.")]) -> Answer:
    """Send a delivery again at once, with the same id."""
    again = session.store.webhooks.replay(delivery)
    return Answer(again.to_dict(), _told([again]))


@verb("deliver", "headrace webhooks deliver")
def deliver(session: Session) -> Answer:
    """Send what is due, for a project without a server: a server does so by itself."""
    tried = session.store.webhooks.deliver()
    return Answer({"tried": tried}, [f"{tried} deliveries were tried"])


VERBS: tuple[Verb[...], ...] = (create, list_webhooks, remove, test, deliveries, replay, deliver)


def _style(text: str) -> Style:
    for style in STYLES:
        if style == text:
            return style
    msg = f"no style named {text!r}; there are: {', '.join(STYLES)}"
    raise InvalidInputError(msg)


def _told(found: Sequence[Delivery]) -> list[Table]:
    columns = ("ID", "WEBHOOK", "EVENT", "STATUS", "ATTEMPTS", "CODE", "CREATED (UTC)", "ANSWER")
    rows = [
        (d.id, d.webhook, d.event, d.status, d.attempts, d.code, short_time(d.created), d.answer.partition("\n")[0][:60])
        for d in found
    ]
    return [Table(columns, rows, "nothing was sent yet")]
