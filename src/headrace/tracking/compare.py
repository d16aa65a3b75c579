"""Runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.clock import isoformat
from headrace.tracking.history import MetricHistory
from headrace.tracking.run import DatasetInput, MetricSummary, Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "ComparisonRow", "best_step", "compare_runs", "environment_facts", "value_at"]

_HIDDEN_TAGS = ("mlflow.runName", "mlflow.source.git.commit", "mlflow.source.git.branch", "mlflow.user", "headrace.git.dirty")
_WIDEST_CELL = 40


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One fact of each run, as text; None for a run that doesn't have it."""

    section: str
    key: str
    values: tuple[str | None, ...]

    @property
    def differs(self) -> bool:
        """Whether the runs don't all say the same."""
        return len(set(self.values)) > 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side. Its text is a table of the metrics and of whatever else differs."""

    runs: tuple[Run, ...]
    rows: tuple[ComparisonRow, ...]

    def differences(self) -> tuple[ComparisonRow, ...]:
        """The rows in which the runs differ."""
        return tuple(row for row in self.rows if row.differs)

    def section(self, name: str) -> dict[str, tuple[str | None, ...]]:
        """The rows of one section: run, params, metrics, tags, code, datasets, environment, packages."""
        return {row.key: row.values for row in self.rows if row.section == name}

    def to_pandas(self) -> pd.DataFrame:
        """One row a fact, with columns section, key and one a run, named by its id."""
        import pandas as pd

        return pd.DataFrame(
            [(row.section, row.key, *row.values) for row in self.rows], columns=["section", "key", *(run.id for run in self.runs)]
        )

    def __str__(self) -> str:
        shown = [row for row in self.rows if row.differs or row.section in ("run", "metrics")]
        cells = [["", *(_fit(run.name) for run in self.runs)]]
        section = ""
        for row in shown:
            if row.section != section:
                section = row.section
                cells.append([section.upper(), *("" for _ in self.runs)])
            cells.append([f"  {_fit(row.key)}", *("-" if value is None else _fit(value) for value in row.values)])
        same = len(self.rows) - len(shown)
        return _table(cells) + (f"\n{same} further facts are the same in all" if same else "")


def compare_runs(
    runs: Sequence[Run],
    summaries: Sequence[Mapping[str, MetricSummary]],
    packages: Sequence[Mapping[str, str]],
    environments: Sequence[Mapping[str, str]] = (),
    at_best: Sequence[Mapping[str, str]] = (),
) -> Comparison:
    """Put runs side by side.

    Args:
        summaries, packages, environments: of each run, in the same order.
        at_best: what the metrics of each run were where one of them was best.
    """
    rows = [
        *_facts("run", runs, _run_facts),
        *_rows("params", [run.params for run in runs]),
        *_rows("metrics", [_metric_facts(run, summary) for run, summary in zip(runs, summaries, strict=True)]),
        *_rows("metrics", at_best),
        *_rows("tags", [{key: value for key, value in run.tags.items() if key not in _HIDDEN_TAGS} for run in runs]),
        *_facts("code", runs, _code_facts),
        *_facts("datasets", runs, _dataset_facts),
        *_rows("environment", environments),
        *_rows("packages", packages),
    ]
    return Comparison(tuple(runs), tuple(rows))


def best_step(history: MetricHistory, goal: str) -> int | None:
    """The first step at which a metric was best, `min` or `max`; None if no point is a number."""
    import numpy as np

    found = np.flatnonzero(~np.isnan(history.values))
    if not len(found):
        return None
    values = history.values[found]
    best = values == (values.min() if goal == "min" else values.max())
    return int(history.steps[found][best].min())


def value_at(history: MetricHistory, step: int) -> float | None:
    """What a metric was at a step: its last value up to there; None if it had none."""
    import numpy as np

    order = np.lexsort((history.times, history.steps))
    place = int(np.searchsorted(history.steps[order], step, "right")) - 1
    return float(history.values[order][place]) if place >= 0 else None


def environment_facts(environment: Mapping[str, Any]) -> dict[str, str]:
    """What of a captured environment is compared."""
    host, process = (environment.get(name) or {} for name in ("host", "process"))
    facts = {name: environment.get(name) for name in ("python", "implementation", "platform")}
    facts |= {name: value for name, value in host.items() if name != "pid" and isinstance(value, str | int | float)}
    facts |= {name: process.get(name) for name in ("command", "entry") if name in process}
    facts |= {f"${name}": value for name, value in (environment.get("variables") or {}).items()}
    return {name: value if isinstance(value, str) else str(value) for name, value in facts.items() if value not in (None, "")}


def _facts(section: str, runs: Sequence[Run], facts: Callable[[Run], Mapping[str, str]]) -> Iterator[ComparisonRow]:
    return _rows(section, [facts(run) for run in runs])


def _rows(section: str, columns: Sequence[Mapping[str, str]]) -> Iterator[ComparisonRow]:
    for key in _ordered_union(columns):
        yield ComparisonRow(section, key, tuple(column.get(key) for column in columns))


def _ordered_union(columns: Iterable[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(key for column in columns for key in column))


def _run_facts(run: Run) -> dict[str, str]:
    duration = "" if run.duration is None else f"{run.duration:.1f} s"
    facts = {"id": run.id, "experiment": run.experiment, "status": run.state(), "started": isoformat(run.start), "user": run.user}
    return {**facts, "duration": duration}


def _metric_facts(run: Run, summaries: Mapping[str, MetricSummary]) -> dict[str, str]:
    """The latest value; where there were several points, the lowest and the highest too."""
    facts: dict[str, str] = {}
    for key, value in sorted(run.metrics.items()):
        facts[key] = f"{value:.6g}"
        summary = summaries.get(key)
        if summary is not None and summary.count > 1:
            facts[f"{key} (lowest)"] = f"{summary.low:.6g}"
            facts[f"{key} (highest)"] = f"{summary.high:.6g}"
    return facts


def _code_facts(run: Run) -> dict[str, str]:
    names = {
        "mlflow.source.git.commit": "commit",
        "mlflow.source.git.branch": "branch",
        "headrace.git.dirty": "uncommitted changes",
    }
    return {names[key]: run.tags[key] for key in names if key in run.tags}


def _dataset_facts(run: Run) -> dict[str, str]:
    return {_dataset_key(item): item.digest for item in run.inputs}


def _dataset_key(item: DatasetInput) -> str:
    return f"{item.name} ({item.context})" if item.context else item.name


def _fit(text: str) -> str:
    text = text.replace("\n", " ")
    return text if len(text) <= _WIDEST_CELL else f"{text[: _WIDEST_CELL - 1]}…"


def _table(cells: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)
