"""The runs that a search found: objects where one is looked at, columns where all are."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from headrace.arguments import checked
from headrace.clock import from_micros, isoformat
from headrace.display import table_html
from headrace.errors import MissingExtraError, NotFoundError
from headrace.tracking.page import RunPage
from headrace.tracking.run import SYSTEM_METRICS, Run, page_of, state_of, write_table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["RunList"]

T = TypeVar("T")

_SHOWN_RUNS, _SHOWN_METRICS = 20, 6


@checked()
class RunList(Sequence[Run]):
    """The runs that a search found, in its order: a sequence of runs, and a frame of one row a run.

    `found[0]` is a run, `found["metrics.auc"]` a column. What reads Arrow's stream interface takes it as it is, for example
    `pyarrow.table(found)` and `pandas.DataFrame.from_arrow(found)`. It holds columns; a run is made when it is asked for.

    Args:
        page: what was read.
        ids: which of its runs these are. Default: all.
        server: the address of the web app that shows them; empty if there is none.
    """

    def __init__(self, page: RunPage, ids: Sequence[str] | None = None, server: str = "") -> None:
        self._page = page
        self._ids = page.ids if ids is None else ids
        self._server = server
        self._made: dict[str, Run] = {}

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> RunList: ...
    @overload
    def __getitem__(self, index: str) -> pd.Series[Any]: ...
    def __getitem__(self, index: int | slice | str) -> Run | RunList | pd.Series[Any]:
        """One run, a shorter list, or a column of the frame by its name. Raises NotFoundError for a column."""
        if isinstance(index, str):
            frame = self.to_pandas()
            if index not in frame.columns:
                raise NotFoundError.of("column", index, frame.columns)
            return frame[index]
        if isinstance(index, slice):
            return RunList(self._page, self._ids[index], self._server)
        run_id = self._ids[index]
        run = self._made.get(run_id)
        if run is None:
            (run,) = self._page.runs([run_id])
            run = self._made[run_id] = replace(run, page=page_of(self._server, run_id)) if self._server else run
        return run

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        lines = [f"{run.id}  {run.state():<9} {isoformat(run.start)}  {run.name}" for run in self[:_SHOWN_RUNS]]
        more = f"\n… {len(self) - _SHOWN_RUNS} more" if len(self) > _SHOWN_RUNS else ""
        return f"{len(self)} runs\n" + "\n".join(lines) + more

    def _repr_html_(self) -> str:
        shown = self[:_SHOWN_RUNS]
        keys = dict.fromkeys(key for run in shown for key in run.latest if not key.startswith(SYSTEM_METRICS))
        metrics = list(keys)[:_SHOWN_METRICS]
        rows = []
        for run in shown:
            facts = (run.id[:12], run.name, run.experiment, run.state(), isoformat(run.start)[:19])
            rows.append((*facts, *(run.metrics.get(key) for key in metrics)))
        columns = ("run", "name", "experiment", "state", "started (UTC)", *metrics)
        return table_html(f"{len(self)} run{'' if len(self) == 1 else 's'}", columns, rows, len(self) - len(shown))

    @property
    def columns(self) -> list[str]:
        """The names of the frame's columns."""
        return list(self.to_arrow().column_names)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def to_polars(self) -> pl.DataFrame:
        """The same as a polars frame. Raises MissingExtraError without polars."""
        try:
            import polars as pl
        except ModuleNotFoundError as error:
            missing = MissingExtraError.of("polars", "polars")
            raise missing from error
        return pl.DataFrame(self.to_arrow())

    def to_pandas(self) -> pd.DataFrame:
        """One row a run: its facts, then `metrics.…`, `params.…` and `tags.…` columns, sorted by name."""
        import pandas as pd

        return pd.DataFrame({**self._facts(), **self._metrics(), **self._texts(math.nan)})

    def to_arrow(self) -> pa.Table:
        """The same as an Arrow table: times in UTC, metrics as float64, all else as text."""
        import pyarrow as pa

        time = pa.timestamp("us", "UTC")
        columns = {
            name: pa.array(values, time if name in ("start", "end") else pa.string()) for name, values in self._facts().items()
        }
        columns |= {name: pa.array(values, pa.float64()) for name, values in self._metrics().items()}
        return pa.table(columns | {name: pa.array(values, pa.string()) for name, values in self._texts(None).items()})

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write them to a file, .csv or .parquet, one row a run; returns where.

        Raises:
            InvalidInputError: the file's name ends otherwise.
        """
        return write_table(self.to_arrow(), path)

    def _facts(self) -> dict[str, list[Any]]:
        """What every run has."""
        heads = [(run_id, *self._page.heads[run_id]) for run_id in self._ids]
        ids, names, _, experiments, statuses, starts, ends, seen, users, *_ = zip(*heads, strict=True) if heads else [()] * 11
        return {
            "run_id": list(ids),
            "name": list(names),
            "experiment": list(experiments),
            "status": [state_of(*pair) for pair in zip(statuses, seen, strict=True)],
            "start": [from_micros(time) for time in starts],
            "end": [None if time is None else from_micros(time) for time in ends],
            "user": list(users),
        }

    def _metrics(self) -> dict[str, list[float | None]]:
        points = self._page.metrics
        return self._columns(
            "metrics", {run_id: zip(held.keys, held.values, strict=True) for run_id, held in points.items()}, None
        )

    def _texts(self, missing: Any) -> dict[str, list[Any]]:
        held = {"params": self._page.params, "tags": self._page.tags}
        found: dict[str, list[Any]] = {}
        for prefix, of_runs in held.items():
            found |= self._columns(prefix, {run_id: texts.items() for run_id, texts in of_runs.items()}, missing)
        return found

    def _columns(self, prefix: str, held: Mapping[str, Iterable[tuple[str, T]]], missing: Any) -> dict[str, list[Any]]:
        """`prefix.key` to its values, one a run, sorted by name."""
        found: dict[str, list[Any]] = {}
        for place, run_id in enumerate(self._ids):
            for key, value in held.get(run_id, ()):
                column = found.get(key)
                if column is None:
                    column = found[key] = [missing] * len(self._ids)
                column[place] = value
        return {f"{prefix}.{key}": found[key] for key in sorted(found)}
