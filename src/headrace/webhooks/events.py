"""Which events an entry of the audit trail is, and what is told of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from headrace.clock import isoformat

__all__ = ["Entry", "events_of", "payload_of"]

_BY_ACTION = {
    "create": "registered_model.created",
    "delete": "registered_model.deleted",
    "rename": "registered_model.renamed",
    "register": "model_version.created",
    "forget": "model_version.deleted",
    "promote": "model_version.promoted",
    "rollback": "model_version.rolled_back",
    "refuse": "model_version.refused",
    "request": "transition_request.opened",
    "approve": "transition_request.approved",
    "reject": "transition_request.rejected",
    "withdraw": "transition_request.withdrawn",
    "comment": "transition_request.commented",
}
_TEXTS = ("describe", "owner", "card", "gates")


class Entry(Protocol):
    """What is read of an entry of the trail."""

    @property
    def subject(self) -> str:
        """The model's name."""
        ...

    @property
    def seq(self) -> int:
        """Its place in the trail."""
        ...

    @property
    def action(self) -> str:
        """What was done."""
        ...

    @property
    def version(self) -> int | None:
        """The version that it is about, if it is about one."""
        ...

    @property
    def before(self) -> Mapping[str, Any]:
        """What was so before."""
        ...

    @property
    def after(self) -> Mapping[str, Any]:
        """What is so since."""
        ...

    @property
    def reason(self) -> str:
        """Why, in somebody's words."""
        ...

    @property
    def report(self) -> Mapping[str, Any] | None:
        """The report of the gates, if they were asked."""
        ...

    @property
    def user(self) -> str:
        """Who did it."""
        ...

    @property
    def time(self) -> int:
        """When, in microseconds since 1970 UTC."""
        ...


def events_of(entry: Entry) -> list[str]:
    """The names of the events that an entry is: none, one or several."""
    return list(dict.fromkeys(_events(entry)))


def payload_of(entry: Entry) -> dict[str, Any]:
    """What is told of an entry."""
    report = entry.report
    return {
        "model": entry.subject,
        "version": entry.version,
        "uri": f"models:/{entry.subject}" + ("" if entry.version is None else f"/{entry.version}"),
        "action": entry.action,
        "before": dict(entry.before),
        "after": dict(entry.after),
        "reason": entry.reason,
        "user": entry.user,
        "time": isoformat(entry.time),
        "entry": entry.seq,
        "gates": None if report is None else {"passed": report.get("passed"), "forced": report.get("forced")},
    }


def _events(entry: Entry) -> Iterator[str]:
    if entry.action == "register" and entry.seq == 1:
        yield "registered_model.created"
    if entry.action in _BY_ACTION:
        yield _BY_ACTION[entry.action]
    if entry.action in _TEXTS:
        yield "registered_model.updated" if entry.version is None else "model_version.updated"
    if entry.action != "rename" and entry.after.get("stages"):
        yield "model_version.stage_changed"
    if entry.action != "rename":
        for version in entry.after.get("aliases", {}).values():
            yield "model_version_alias.deleted" if version is None else "model_version_alias.created"
    for value in entry.after.get("tags", {}).values() if entry.action == "tag" else ():
        if entry.version is None:
            yield "registered_model.updated"
            continue
        yield "model_version_tag.deleted" if value is None else "model_version_tag.set"
