"""What inference services predicted and what came of it, for remote stores."""

from __future__ import annotations

from headrace.server.native.exchange import Answer, Task, work

__all__ = ["APPEND", "READ", "TABLES"]


def _append(task: Task) -> Answer:
    """Keep predictions, or outcomes, of a service that runs elsewhere."""
    task.store.predictions.take(task.arguments["table"], task.rows, task.arguments["lane"])
    return task.rows.num_rows, None


def _read(task: Task) -> Answer:
    """The predictions of a model, or outcomes, perhaps those of one request alone."""
    asked = task.arguments
    return None, task.store.predictions.kept(asked["table"], asked["since"], asked["request"])


def _tables(task: Task) -> Answer:
    """The tables of predictions that there are."""
    return task.store.predictions.tables(task.arguments["beginning"]), None


APPEND = work(_append, {"table": str, "lane": int}, changes=True)
READ = work(_read, {"table": str, "since": int | None, "request": str | None})
TABLES = work(_tables, {"beginning": str})
