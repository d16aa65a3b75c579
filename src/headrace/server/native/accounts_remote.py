"""Users, tokens and webhooks for remote stores. Secrets and their hashes don't leave the server, but for a new token, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.server.endpoint import Endpoint, Operation
from headrace.server.native.exchange import Task, Wanted, quick
from headrace.shapes import plain
from headrace.webhooks.service import Webhooks

__all__ = ["ACCOUNTS_REMOTE"]

PREFIX = "/api/v1/store"
_MAYBE = str | None


def _add_user(task: Task) -> Any:
    """Make a user."""
    asked = task.arguments
    return plain(task.store.accounts.add_user(asked["name"], asked["role"], asked["password"]).hidden())


def _user(task: Task) -> Any:
    """One user: oneself, or anyone for an admin."""
    return plain(task.store.accounts.user(task.arguments["name"]).hidden())


def _users(task: Task) -> Any:
    """All users."""
    return plain([user.hidden() for user in task.store.accounts.users()])


def _change_user(task: Task) -> Any:
    """Change a user's role or password, or shut the user out."""
    return plain(task.store.accounts.change_user(**task.arguments).hidden())


def _change_password(task: Task) -> Any:
    """Give oneself another password."""
    return plain(task.store.accounts.change_password(**task.arguments).hidden())


def _create_token(task: Task) -> Any:
    """Make a token; the answer has its secret, this once."""
    token, secret = task.store.accounts.create_token(**task.arguments)
    return [plain(token.hidden()), secret]


def _tokens(task: Task) -> Any:
    """Tokens: an admin sees everybody's, others their own."""
    return plain([token.hidden() for token in task.store.accounts.tokens(task.arguments["user"])])


def _revoke(task: Task) -> None:
    """Revoke a token."""
    task.store.accounts.revoke(task.arguments["token"])


def _history(task: Task) -> Any:
    """What was done to users and tokens."""
    return plain(task.store.accounts.history(task.arguments["limit"]))


def _webhooks(task: Task) -> Webhooks:
    """The webhooks in the caller's name, which is the account's where there is one."""
    kept = task.store.webhooks
    return kept if task.store.account is not None else kept.by(task.arguments["user"])


def _create_webhook(task: Task) -> Any:
    """Tell an address of what happens in the registry."""
    asked = {name: value for name, value in task.arguments.items() if name != "user"}
    return plain(_webhooks(task).create(**asked).hidden())


def _list_webhooks(task: Task) -> Any:
    """All webhooks."""
    return plain([webhook.hidden() for webhook in task.store.webhooks.list()])


def _get_webhook(task: Task) -> Any:
    """One webhook."""
    return plain(task.store.webhooks.get(task.arguments["webhook"]).hidden())


def _change_webhook(task: Task) -> Any:
    """Change a webhook."""
    asked = {name: value for name, value in task.arguments.items() if name != "webhook"}
    return plain(task.store.webhooks.change(task.arguments["webhook"], **asked).hidden())


def _remove_webhook(task: Task) -> None:
    """Forget a webhook and what was sent to it."""
    task.store.webhooks.remove(task.arguments["webhook"])


def _test_webhook(task: Task) -> Any:
    """Send a ping now."""
    return plain(_webhooks(task).test(task.arguments["webhook"], task.arguments["event"]))


def _deliveries(task: Task) -> Any:
    """What was sent, and what waits."""
    asked = task.arguments
    return plain(list(task.store.webhooks.deliveries(asked["webhook"], asked["status"], asked["limit"])))


def _replay(task: Task) -> Any:
    """Send a delivery once more."""
    return plain(task.store.webhooks.replay(task.arguments["delivery"]))


def _deliver(task: Task) -> int:
    """Send what is due now."""
    return task.store.webhooks.deliver(task.arguments["limit"])


_OWN, _ADMIN, _HOOKS = "runs:read", "accounts:admin", "webhooks:admin"
_USER: Wanted = {"name": str, "role": str, "password": str}
_USER_CHANGE: Wanted = {"name": str, "role": _MAYBE, "password": _MAYBE, "active": bool | None}
_TOKEN: Wanted = {"user": _MAYBE, "label": str, "scopes": list, "days": float | None}
_TEXTS = ("url", "model", "secret", "name", "description")
_WEBHOOK: Wanted = {**dict.fromkeys(_TEXTS, str), "events": list, "style": str, "active": bool, "user": str}
_WEBHOOK_CHANGE: Wanted = {**dict.fromkeys(_TEXTS, _MAYBE), "webhook": str, "events": list | None, "active": bool | None}
_VERBS: Mapping[str, tuple[str, Operation]] = {
    "accounts/add_user": (_ADMIN, quick(_add_user, _USER, changes=True)),
    "accounts/user": (_OWN, quick(_user, {"name": str})),
    "accounts/users": (_ADMIN, quick(_users, {})),
    "accounts/change_user": (_ADMIN, quick(_change_user, _USER_CHANGE, changes=True)),
    "accounts/change_password": (_OWN, quick(_change_password, {"name": str, "old": str, "new": str}, changes=True)),
    "accounts/create_token": (_OWN, quick(_create_token, _TOKEN)),
    "accounts/tokens": (_OWN, quick(_tokens, {"user": _MAYBE})),
    "accounts/revoke": (_OWN, quick(_revoke, {"token": str}, changes=True)),
    "accounts/history": (_ADMIN, quick(_history, {"limit": int})),
    "webhooks/create": (_HOOKS, quick(_create_webhook, _WEBHOOK, changes=True)),
    "webhooks/list": (_HOOKS, quick(_list_webhooks, {})),
    "webhooks/get": (_HOOKS, quick(_get_webhook, {"webhook": str})),
    "webhooks/change": (_HOOKS, quick(_change_webhook, _WEBHOOK_CHANGE, changes=True)),
    "webhooks/remove": (_HOOKS, quick(_remove_webhook, {"webhook": str}, changes=True)),
    "webhooks/test": (_HOOKS, quick(_test_webhook, {"webhook": str, "event": str, "user": str}, changes=True)),
    "webhooks/deliveries": (_HOOKS, quick(_deliveries, {"webhook": _MAYBE, "status": _MAYBE, "limit": int})),
    "webhooks/replay": (_HOOKS, quick(_replay, {"delivery": str}, changes=True)),
    "webhooks/deliver": (_HOOKS, quick(_deliver, {"limit": int})),
}
ACCOUNTS_REMOTE = tuple(
    Endpoint("POST", f"{PREFIX}/{path}", permission, operation) for path, (permission, operation) in _VERBS.items()
)
"""The routes."""
