"""Upkeep of the lake and of artifacts, for remote stores."""

from __future__ import annotations

from dataclasses import asdict

from headrace.server.native.exchange import Answer, Task, work

__all__ = ["COLLECT", "OPTIMIZE", "TABLES", "VACUUM"]


def _tables(task: Task) -> Answer:
    """The lake's tables as they are now."""
    return [asdict(item) for item in task.store.services.upkeep.tables(task.arguments["names"])], None


def _optimize(task: Task) -> Answer:
    """Merge the small files of tables."""
    done = task.store.services.upkeep.optimize(task.arguments["names"], progress=task.progress)
    return [asdict(item) for item in done], None


def _vacuum(task: Task) -> Answer:
    """Remove files of tables that only old versions name."""
    asked = task.arguments
    done = task.store.services.upkeep.vacuum(
        asked["names"], older_than=asked["older_than"], dry_run=asked["dry_run"], progress=task.progress
    )
    return [asdict(item) for item in done], None


def _collect(task: Task) -> Answer:
    """Remove files that no run, logged model or model version names."""
    return asdict(task.store.artifacts.collect(task.arguments["older_than"], dry_run=task.arguments["dry_run"])), None


COLLECT = work(_collect, {"older_than": int, "dry_run": bool}, changes=True)
TABLES = work(_tables, {"names": list | None})
OPTIMIZE = work(_optimize, {"names": list | None}, changes=True)
VACUUM = work(_vacuum, {"names": list | None, "older_than": str, "dry_run": bool}, changes=True)
