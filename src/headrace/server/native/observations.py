"""What was observed of data and features, for remote stores."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from headrace.server.native.exchange import Answer, Task, work

if TYPE_CHECKING:
    from headrace.features.observer import Statistics

__all__ = ["DRIFT", "MATERIALIZATIONS", "PROFILE", "QUALITY", "QUARANTINE", "STATISTICS"]


def _statistics(task: Task) -> Answer:
    """What is kept of a source or a group."""
    found = task.store.services.observations.statistics(task.arguments["name"])
    return {"subject": found.subject, "history": [_plain(item) for item in found.history]}, None


def _profile(task: Task) -> Answer:
    """A sample of a group's online values now."""
    return _plain(task.store.services.observations.profile(task.arguments["group"])), None


def _drift(task: Task) -> Answer:
    """A training set against what is online."""
    return asdict(task.store.services.observations.drift(task.arguments["view"], task.arguments["training_set"])), None


def _quality(task: Task) -> Answer:
    """Every expectation and how it fares."""
    return [asdict(check) for check in task.store.services.observations.quality()], None


def _quarantine(task: Task) -> Answer:
    """The rows of a source that were set aside."""
    return None, task.store.services.observations.quarantine(task.arguments["source"])


def _materializations(task: Task) -> Answer:
    """When a group was brought up to date."""
    arguments = task.arguments
    found = task.store.services.observations.materializations(arguments["group"], arguments["limit"])
    return [asdict(record) for record in found], None


def _plain(found: Statistics) -> dict[str, Any]:
    return {**asdict(found), "columns": {name: column.to_dict() for name, column in found.columns.items()}}


STATISTICS = work(_statistics, {"name": str})
PROFILE = work(_profile, {"group": str})
DRIFT = work(_drift, {"view": str, "training_set": str})
QUALITY = work(_quality, {})
QUARANTINE = work(_quarantine, {"source": str})
MATERIALIZATIONS = work(_materializations, {"group": str, "limit": int | None})
