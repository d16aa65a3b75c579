"""The verbs of users and tokens."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from headrace.cli.output import Answer, Table
from headrace.cli.values import short_time
from headrace.cli.verb import Session, Verb, verb
from headrace.errors import InvalidInputError

__all__ = ["TOKENS", "USERS"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="A user.")]
Role = Annotated[str, typer.Option("--role", help="viewer, editor, approver or admin; each may do what those before it may.")]


@verb("add", "headrace users add ada --role admin", "headrace users add ci --role editor")
def add_user(
    session: Session,
    name: Name,
    role: Role = "editor",
    password: Annotated[bool, typer.Option("--password", help="Ask for a password too, for the web app.")] = False,
) -> Answer:
    """Add a user. The first one is an admin; from then on the project's server asks everybody to sign in."""
    user = session.store.accounts.add_user(name, role, _asked() if password else "")
    return Answer(
        user.to_dict(), [f"{user.name} is {_article(user.role)}; give them a token: headrace tokens create {user.name}"]
    )


@verb("list", "headrace users list")
def list_users(session: Session) -> Answer:
    """List all users and their roles."""
    users = session.store.accounts.users()
    rows = [(user.name, user.role, "yes" if user.active else "no", "yes" if user.password else "no") for user in users]
    empty = "no users: the project's server asks nobody who they are; make one with: headrace users add NAME --role admin"
    return Answer([user.to_dict() for user in users], [Table(("NAME", "ROLE", "ACTIVE", "PASSWORD"), rows, empty)])


@verb("change", "headrace users change ada --role approver", "headrace users change eve --password")
def change_user(
    session: Session,
    name: Name,
    role: Annotated[str | None, typer.Option("--role", help="Another role.")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Enable or disable the user.")] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password.")] = False,
) -> Answer:
    """Change a user's role or password, or disable the user; the name stays, for the audit trail."""
    new = _asked() if password else None
    user = session.store.accounts.change_user(name, role=role, active=active, password=new)
    return Answer(user.to_dict(), [f"{user.name} is {_article(user.role)}{'' if user.active else ', and is let in no more'}"])


@verb("history", "headrace users history", "headrace users history --limit 20")
def history(
    session: Session, limit: Annotated[int, typer.Option("--limit", help="Show at most this many, the newest.")] = 50
) -> Answer:
    """Show what was done to users and tokens, and repeated wrong passwords; an error if that trail was tampered with."""
    acts = session.store.accounts.history(limit)
    rows = [(short_time(act.time), act.user, act.action, _facts(act.before), _facts(act.after)) for act in acts]
    columns = ("TIME (UTC)", "USER", "ACTION", "BEFORE", "AFTER")
    return Answer([act.to_dict() for act in acts], [Table(columns, rows, "nothing was done yet")])


@verb(
    "create",
    "headrace tokens create ada --label laptop",
    "headrace tokens create ci --scope runs:write --scope models:write --days 90",
)
def create_token(
    session: Session,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user that it acts for.")],
    label: Annotated[str, typer.Option("--label", help="What it is for.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="A role or permission to limit it to; may be repeated.")
    ] = None,
    days: Annotated[float | None, typer.Option("--days", help="Days until it expires. Default: until it is revoked.")] = None,
) -> Answer:
    """Create a token for a program; it is shown only now. Programs send it as HEADRACE_TOKEN or MLFLOW_TRACKING_TOKEN."""
    token, secret = session.store.accounts.create_token(user, label, scope or (), days)
    told = {**token.to_dict(), "token": secret}
    return Answer(told, [secret, f"keep it now: it isn't shown again; take it back with: headrace tokens revoke {token.id}"])


@verb("list", "headrace tokens list", "headrace tokens list ada")
def list_tokens(
    session: Session, user: Annotated[str | None, typer.Argument(metavar="[USER]", help="Default: everybody's.")] = None
) -> Answer:
    """List tokens: whose, what for, until when, and when last used."""
    tokens = session.store.accounts.tokens(user)
    columns = ("ID", "USER", "LABEL", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "REVOKED")
    rows = [
        (
            token.id,
            token.user,
            token.label,
            ", ".join(token.scopes) or "all",
            short_time(token.created),
            "never" if token.expires is None else short_time(token.expires),
            "never" if token.used is None else short_time(token.used),
            "yes" if token.revoked else "no",
        )
        for token in tokens
    ]
    empty = "no tokens; make one with: headrace tokens create USER"
    return Answer([token.to_dict() for token in tokens], [Table(columns, rows, empty)])


@verb("revoke", "headrace tokens revoke 4f0c9a7be1d2")
def revoke_token(
    session: Session, token: Annotated[str, typer.Argument(metavar="ID", help="As `tokens list` shows it.")]
) -> Answer:
    """Revoke a token; it stops working within a second."""
    session.store.accounts.revoke(token)
    return Answer({"id": token, "revoked": True}, [f"token {token} opens nothing any more"])


USERS: tuple[Verb[...], ...] = (add_user, list_users, change_user, history)
TOKENS: tuple[Verb[...], ...] = (create_token, list_tokens, revoke_token)


def _asked() -> str:
    """A password, from the terminal or from HEADRACE_NEW_PASSWORD: never from the command line, which others can read."""
    given = os.environ.get("HEADRACE_NEW_PASSWORD")
    if given:
        return given
    if not sys.stdin.isatty():
        msg = "a password is asked for on a terminal; without one, set HEADRACE_NEW_PASSWORD"
        raise InvalidInputError(msg)
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _facts(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value not in ("", [], False))


def _article(role: str) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
