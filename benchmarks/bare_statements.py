"""What our server asks of SQLite for each of MLflow's requests, recorded once and asked again without a server around it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Statement = tuple[bool, str, Any]
"""Whether it has rows of values, its text, its values."""
PLACE = "0" * 32


class _Recording(sqlite3.Connection):
    """Notes what is asked of it."""

    statements: list[Statement] | None = None

    def execute(self, text: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        if self.statements is not None and not text.startswith("PRAGMA"):
            self.statements.append((False, text, tuple(values)))
        return super().execute(text, values)

    def executemany(self, text: str, rows: Any, /) -> sqlite3.Cursor:
        rows = [tuple(row) for row in rows]
        if self.statements is not None:
            self.statements.append((True, text, rows))
        return super().executemany(text, rows)


def recorded(catalog: Path) -> dict[str, list[Statement]]:
    """A new catalog's statements for a point, and for the making, the filling and the ending of a run whose id is PLACE."""
    plain = sqlite3.dbapi2.connect
    sqlite3.dbapi2.connect = lambda *given, **named: plain(*given, factory=_Recording, **named)
    try:
        from headrace.patience import impatient
        from headrace.sql.database import Database
        from headrace.sql.tracking import tracking_stores
        from headrace.tracking.history import Series
        from headrace.tracking.run import Metric, Run

        database = Database(f"sqlite:///{catalog}")
        runs = tracking_stores(database).runs
        run = Run(id=PLACE, name="bare", experiment_id="0", experiment="Default", status="RUNNING", start=1)
        series = [Series.of_points(f"m{place}", [1], [0], [0.5]) for place in range(10)]
        params, tags = {f"p{place}": "1" for place in range(10)}, {f"t{place}": "x" for place in range(5)}
        steps: dict[str, Callable[[], object]] = {
            "create": lambda: runs.create(run),
            "log-batch": lambda: runs.log(PLACE, params=params, tags=tags, series=series),
            "update": lambda: runs.update(PLACE, status="FINISHED", end=2),
            "log-metric": lambda: runs.log(PLACE, [Metric("loss", 0.5, 1, 1)]),
            "get": lambda: runs.get([PLACE]),
        }
        found = {}
        for name, step in steps.items():
            _Recording.statements = found[name] = []
            with impatient():
                step()
            _Recording.statements = None
        database.close()
        return found
    finally:
        sqlite3.dbapi2.connect = plain


def asker(catalog: str) -> Callable[[str, bytes], None]:
    """What asks again, by the last part of a request's path, on a catalog made now."""
    found = recorded(Path(catalog))
    from headrace.sql.packing import Doubles

    file = sqlite3.connect(catalog, isolation_level=None)
    file.create_aggregate(Doubles.NAME, 1, Doubles)
    for pragma in ("synchronous=FULL", "wal_autocheckpoint=8000", f"mmap_size={4 << 30}"):
        file.execute(f"PRAGMA {pragma}")
    own = [PLACE]

    def ask(name: str, _: bytes) -> None:
        if name == "create":
            own[0] = os.urandom(16).hex()
        for has_rows, text, values in found.get(name, ()):
            if has_rows:
                file.executemany(text, [_placed(row, own[0]) for row in values])
            else:
                file.execute(text, _placed(values, own[0])).fetchall()

    return ask


def _placed(row: Sequence[Any], run_id: str) -> list[Any]:
    return [value.replace(PLACE, run_id) if isinstance(value, str) else value for value in row]
