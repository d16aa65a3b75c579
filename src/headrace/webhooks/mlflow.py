"""What webhooks are told in MLflow's shape: its events, their data, and its headers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headrace.webhooks.events import Entry

__all__ = ["EVENTS", "EXAMPLES", "HEADERS", "told"]

HEADERS = {
    "Webhook-Id": "X-MLflow-Delivery-Id",
    "Webhook-Timestamp": "X-MLflow-Timestamp",
    "Webhook-Signature": "X-MLflow-Signature",
}
"""What MLflow calls the headers of a delivery; what is signed, and how, is the same."""
_VERSION = {"name": "example_model", "version": "1"}
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "registered_model.created": {"name": "example_model", "tags": {"team": "ranking"}, "description": "An example"},
    "model_version.created": {
        **_VERSION,
        "source": "models:/m-0190f7c2e0aa7d3e8a51c3d8f0b1a2c4",
        "run_id": "0190f7c2e0aa7d3e8a51c3d8f0b1a2c4",
        "tags": {"team": "ranking"},
        "description": "An example",
    },
    "model_version_tag.set": {**_VERSION, "key": "team", "value": "ranking"},
    "model_version_tag.deleted": {**_VERSION, "key": "team"},
    "model_version_alias.created": {"name": "example_model", "alias": "champion", "version": "1"},
    "model_version_alias.deleted": {"name": "example_model", "alias": "champion"},
}
"""What a test sends, by event."""
EVENTS = tuple(EXAMPLES)
"""The events that MLflow's clients can ask for and that happen here."""


def told(entry: Entry) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each event that an entry of the trail is to MLflow, with its data; an entry that moves two aliases is two events."""
    name, after = entry.subject, entry.after
    if entry.action == "create" or (entry.action == "register" and entry.seq == 1):
        texts = after if entry.action == "create" else {}
        described = texts.get("description") or None
        yield "registered_model.created", {"name": name, "tags": dict(texts.get("tags", {})), "description": described}
    if entry.version is None and entry.action != "alias":
        return
    version = {"name": name, "version": str(entry.version)}
    if entry.action == "register":
        yield "model_version.created", {**version, **_origin(after)}
    if entry.action == "tag":
        for key, value in after.get("tags", {}).items():
            if value is None:
                yield "model_version_tag.deleted", {**version, "key": key}
            else:
                yield "model_version_tag.set", {**version, "key": key, "value": value}
    for alias, number in after.get("aliases", {}).items():
        if number is None:
            yield "model_version_alias.deleted", {"name": name, "alias": alias}
        else:
            yield "model_version_alias.created", {"name": name, "alias": alias, "version": str(number)}


def _origin(after: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": after.get("source") or after.get("copied") or f"models:/{after.get('model_id', '')}",
        "run_id": after.get("run_id") or None,
        "tags": dict(after.get("tags", {})),
        "description": after.get("description") or None,
    }
