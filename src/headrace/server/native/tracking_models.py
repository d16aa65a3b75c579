"""The registry for remote stores: its verbs, with the caller's name in the trail; gates are judged here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headrace.models.gates import Evaluation, Gate
from headrace.models.service import Models
from headrace.models.store import AuditStore, ModelStore
from headrace.models.version import check_name
from headrace.server.endpoint import Endpoint
from headrace.server.native.exchange import Task, quick
from headrace.server.native.tracking import contract
from headrace.shapes import plain, shaped

__all__ = ["TRACKING_MODELS"]

PREFIX = "/api/v1/store/models"
READ, WRITE, PROMOTE = "models:read", "models:write", "models:promote"


def _models(task: Task) -> Models:
    """The registry, written in the caller's name."""
    return task.store.models.by(task.arguments["user"])


def _register(task: Task) -> Any:
    """Make a logged model the next version of a name."""
    asked = task.arguments
    texts = (asked["name"], asked["description"], asked["tags"])
    return plain(_models(task).register(asked["model"], *texts, docker=asked["docker"]))


def _create(task: Task) -> Any:
    """Make a registered model that has no versions yet."""
    return plain(_models(task).create(task.arguments["name"], task.arguments["description"], task.arguments["tags"]))


def _rename(task: Task) -> Any:
    """Give a model another name."""
    return plain(_models(task).rename(task.arguments["name"], task.arguments["new"]))


def _delete(task: Task) -> None:
    """Delete a model with all its versions."""
    _models(task).delete(task.arguments["name"])


def _delete_version(task: Task) -> None:
    """Delete a version."""
    _models(task).delete_version(task.arguments["name"], task.arguments["version"])


def _set_alias(task: Task) -> Any:
    """Point an alias at a version."""
    asked = task.arguments
    return plain(_models(task).set_alias(asked["name"], asked["alias"], asked["version"]))


def _delete_alias(task: Task) -> None:
    """Remove an alias."""
    _models(task).delete_alias(task.arguments["name"], task.arguments["alias"])


def _set_tag(task: Task) -> None:
    """Set a tag of a model or of a version; null removes it."""
    asked = task.arguments
    _models(task).set_tag(asked["name"], asked["key"], asked["value"], asked["version"])


def _describe(task: Task) -> None:
    """Replace the description of a model or of a version."""
    asked = task.arguments
    _models(task).describe(asked["name"], asked["text"], asked["version"])


def _set_owner(task: Task) -> None:
    """Say who answers for a model or a version."""
    _models(task).set_owner(task.arguments["name"], task.arguments["text"], task.arguments["version"])


def _write_card(task: Task) -> None:
    """Replace what people should know of a model or a version."""
    _models(task).write_card(task.arguments["name"], task.arguments["text"], task.arguments["version"])


def _request_open(task: Task) -> Any:
    """Ask for a version to be moved to a stage."""
    asked = task.arguments
    return plain(_models(task).requests.open(asked["name"], asked["version"], asked["to"], asked["reason"]))


def _request_get(task: Task) -> Any:
    """One request to move a version."""
    return plain(task.store.models.requests.get(task.arguments["request"]))


def _request_list(task: Task) -> Any:
    """Requests to move versions."""
    asked = task.arguments
    return plain(task.store.models.requests.list(asked["name"], asked["version"], asked["status"]))


def _request_say(task: Task) -> Any:
    """Comment on a request, approve, reject or withdraw it."""
    asked = task.arguments
    return plain(_models(task).requests.remark(asked["kind"], asked["request"], asked["text"]))


def _set_gates(task: Task) -> None:
    """Replace the gates of a model."""
    _models(task).set_gates(task.arguments["name"], shaped(task.arguments["gates"], list[Gate]))


def _add_evaluation(task: Task) -> None:
    """Keep what a client measured on a version, in its name."""
    found: Evaluation = shaped(task.arguments["evaluation"], Evaluation)
    task.store.models.get(found.name, found.version)
    task.store.models.store.add_evaluation(replace(found, user=task.arguments["user"]))


def _card(task: Task) -> str:
    """The model card of a version, Markdown."""
    return task.store.models.card(task.arguments["name"], task.arguments["version"])


def _check_gates(task: Task) -> Any:
    """What the gates would decide about a version now."""
    return plain(task.store.models.check_gates(task.arguments["name"], task.arguments["version"]))


def _promote(task: Task) -> Any:
    """Move a version to a stage; to Production its gates decide."""
    asked = task.arguments
    return plain(_models(task).promote(asked["name"], asked["version"], asked["to"], asked["reason"], force=asked["force"]))


def _rollback(task: Task) -> Any:
    """Put the previous Production version back, or a named one."""
    asked = task.arguments
    return plain(_models(task).rollback(asked["name"], asked["to"], asked["reason"]))


def _store(store: Any) -> ModelStore:
    found: ModelStore = store.models.store
    return found


def _audit(store: Any) -> AuditStore:
    found: AuditStore = store.models.audit
    return found


def _history(task: Task) -> Any:
    """All entries of a model's trail, oldest first."""
    subject = task.arguments["subject"]
    check_name(subject)  # what was done to accounts has a trail beside these, which isn't for everybody
    return plain(_audit(task.store).history(subject))


_NAMED = {"name": str, "user": str}
_MAYBE = {**_NAMED, "version": str | None}
_VERBS = {
    READ: {
        "model": contract(_store, ModelStore.model),
        "models": contract(_store, ModelStore.models),
        "pinned_views": contract(_store, ModelStore.pinned_views),
        "names": contract(_store, ModelStore.names),
        "versions": contract(_store, ModelStore.versions),
        "evaluations": contract(_store, ModelStore.evaluations),
        "history": quick(_history, {"subject": str}),
        "subjects": contract(_audit, AuditStore.subjects),
        "newest": contract(_audit, AuditStore.newest),
        "request_get": quick(_request_get, {"request": str}),
        "request_list": quick(_request_list, {"name": str | None, "version": int | None, "status": str | None}),
        "card": quick(_card, {"name": str, "version": str}),
        "check_gates": quick(_check_gates, {"name": str, "version": str}),
    },
    WRITE: {
        "register": quick(_register, {**_NAMED, "model": str, "description": str, "tags": dict, "docker": str}, changes=True),
        "create": quick(_create, {**_NAMED, "description": str, "tags": dict}, changes=True),
        "rename": quick(_rename, {**_NAMED, "new": str}, changes=True),
        "delete": quick(_delete, _NAMED, changes=True),
        "delete_version": quick(_delete_version, {**_NAMED, "version": str}, changes=True),
        "set_alias": quick(_set_alias, {**_NAMED, "alias": str, "version": str}, changes=True),
        "delete_alias": quick(_delete_alias, {**_NAMED, "alias": str}, changes=True),
        "set_tag": quick(_set_tag, {**_MAYBE, "key": str, "value": str | None}, changes=True),
        "describe": quick(_describe, {**_MAYBE, "text": str}, changes=True),
        "set_owner": quick(_set_owner, {**_MAYBE, "text": str}, changes=True),
        "write_card": quick(_write_card, {**_MAYBE, "text": str}, changes=True),
        "request_open": quick(_request_open, {**_NAMED, "version": int, "to": str, "reason": str}, changes=True),
        "request_say": quick(_request_say, {"request": str, "kind": str, "text": str, "user": str}, changes=True),
        "promote": quick(_promote, {**_NAMED, "version": str, "to": str, "reason": str, "force": bool}, changes=True),
        "add_evaluation": quick(_add_evaluation, {"evaluation": dict, "user": str}, changes=True),
    },
    PROMOTE: {
        "set_gates": quick(_set_gates, {**_NAMED, "gates": list}, changes=True),
        "rollback": quick(_rollback, {**_NAMED, "to": str | None, "reason": str}, changes=True),
    },
}
TRACKING_MODELS = tuple(
    Endpoint("POST", f"{PREFIX}/{path}", permission, operation)
    for permission, verbs in _VERBS.items()
    for path, operation in verbs.items()
)
"""The routes of the registry."""
