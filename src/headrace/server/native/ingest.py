"""Rows in, for remote stores: write, push, materialize, retire, repair."""

from __future__ import annotations

from dataclasses import asdict

from headrace.server.native.exchange import Answer, Task, work

__all__ = ["MATERIALIZE", "PUSH", "REPAIR", "RETIRE", "WRITE"]


def _write(task: Task) -> Answer:
    """Append rows to a source; the batch id is written once."""
    return asdict(task.store.write(task.arguments["source"], task.rows, task.arguments["batch_id"])), None


def _push(task: Task) -> Answer:
    """Take rows in now: durable and online when it answers."""
    pushed = task.store.push(task.arguments["source"], task.rows)
    task.metrics.pushed(pushed.source, pushed.rows)
    return asdict(pushed), None


def _materialize(task: Task) -> Answer:
    """Bring online values up to date."""
    groups, rebuild = task.arguments["groups"], task.arguments["rebuild"]
    done = task.store.services.materializer.run(groups, rebuild=rebuild, progress=task.progress)
    return [asdict(item) for item in done], None


def _retire(task: Task) -> Answer:
    """Forget the online values of a superseded group version."""
    task.store.retire(task.arguments["group"])
    return None, None


def _repair(task: Task) -> Answer:
    """Keep what can be read of damaged event logs."""
    return task.store.repair(), None


WRITE = work(_write, {"source": str, "batch_id": str}, changes=True)
PUSH = work(_push, {"source": str}, changes=True, repeatable=False)
MATERIALIZE = work(_materialize, {"groups": list | None, "rebuild": bool}, changes=True)
RETIRE = work(_retire, {"group": str}, changes=True)
REPAIR = work(_repair, {}, changes=True)
