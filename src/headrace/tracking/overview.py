"""What a person looks through: experiments with their figures, runs as a table of chosen columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from headrace.errors import InvalidInputError
from headrace.tracking.run import Experiment, Status, View, state_of
from headrace.tracking.store import RunQuery

__all__ = [
    "ARCHIVED_TAG",
    "Column",
    "ExperimentFigures",
    "Extremes",
    "Keys",
    "Overview",
    "RunHead",
    "RunTable",
    "RunTree",
    "goal_of",
    "parse_column",
]

_PREFIXES = {"metrics": "metric", "params": "param", "tags": "tag"}
ARCHIVED_TAG = "headrace.archived"
"""A run with this tag was put away: it is there, and out of sight."""
_WORDS = re.compile(r"[a-z]+")
_LOWER_IS_BETTER = frozenset(
    [
        "bias",
        "brier",
        "cer",
        "cost",
        "deviance",
        "distance",
        "divergence",
        "err",
        "error",
        "fid",
        "fnr",
        "fpr",
        "kl",
        "latency",
        "logloss",
        "loss",
        "losses",
        "mae",
        "mape",
        "mse",
        "nll",
        "perplexity",
        "ppl",
        "regret",
        "residual",
        "rmse",
        "rmsle",
        "smape",
        "time",
        "wer",
    ]
)
COLUMN_FIGURES = ("last", "low", "high", "step")


@dataclass(frozen=True, slots=True)
class ExperimentFigures:
    """An experiment and its runs in figures.

    Attributes:
        runs, running, failed: how many of its active runs there are, run now, and failed.
        latest: when the newest run started, microseconds since 1970; None without runs.
    """

    experiment: Experiment
    runs: int
    running: int
    failed: int
    latest: int | None


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the active runs of some experiments, sorted, each with the number of runs that have it.

    Attributes:
        exact: whether every run was counted just now. Else keys that the newest runs lack may be missing, and the numbers are
            about right.
    """

    metrics: Mapping[str, int]
    params: Mapping[str, int]
    tags: Mapping[str, int]
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table of runs: entity metric, param or tag, and its key; of a metric, which figure of it."""

    name: str
    entity: str
    key: str
    figure: str = "last"


@dataclass(frozen=True, slots=True)
class RunHead:
    """A run without its params, metrics and tags. Times are microseconds since 1970."""

    id: str
    name: str
    experiment_id: str
    experiment: str
    status: Status
    start: int
    end: int | None
    user: str
    lifecycle_stage: str
    seen: int | None = None

    @property
    def state(self) -> str:
        """Its status, or LOST."""
        return state_of(self.status, self.seen)


@dataclass(frozen=True, slots=True)
class RunTable:
    """A page of a table of runs.

    Attributes:
        total: how many runs match in all; -1 if that wasn't asked.
        columns: column name to its values, one a run of the page; None where a run has none.
    """

    total: int
    runs: tuple[RunHead, ...]
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunTree:
    """A page of a table of runs in which each run stands below the one that it is nested in, if that is open.

    Attributes:
        total: how many runs there are in all.
        rows: how many of them have a row: not those in a run that isn't open.
        depths, children: of each run of the page how deep it is nested, and how many are nested in it.
        opened: the ids of the runs that are open.
        columns: as those of a RunTable.
    """

    total: int
    rows: int
    runs: tuple[RunHead, ...]
    depths: tuple[int, ...]
    children: tuple[int, ...]
    opened: tuple[str, ...]
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Extremes:
    """All points of one metric of one run: their number, and the lowest and the highest value with the first step of each.

    Attributes:
        low, high: NaN if every point is.
    """

    count: int
    low: float
    low_step: int | None
    high: float
    high_step: int | None


class Overview(Protocol):
    """Reads for looking through many runs. Each answers from one state of the catalog."""

    def experiments(self, view: View = "active") -> list[ExperimentFigures]:
        """All experiments, newest run first."""
        ...

    def keys(self, experiments: Sequence[str], *, exact: bool = True) -> Keys:
        """What the active runs of these experiments have logged.

        Args:
            exact: count every run. Else, where that takes long, the newest runs speak for all, or what was counted before does.
        """
        ...

    def table(
        self, query: RunQuery, columns: Sequence[Column] = (), *, before: int | None = None, count: bool = True
    ) -> RunTable:
        """The runs that match, with these columns.

        Args:
            before: leave out runs that started after this, microseconds since 1970: pages stay whole while runs come.
            count: tell how many match in all.
        """
        ...

    def tree(
        self, query: RunQuery, columns: Sequence[Column] = (), *, opened: Sequence[str] | None, before: int | None = None
    ) -> RunTree:
        """A page of the runs, each below the one that it is nested in; those nested in one run are in the order too.

        Args:
            query: of all runs: without filters.
            opened: the ids of the runs in whose nested runs one looks. None: those among the first ten rows.
            before: leave out runs that started after this, microseconds since 1970.
        """
        ...

    def values(self, entity: str, key: str, prefix: str, limit: int) -> list[str]:
        """Values of a param, a tag or an attribute of runs that start with a prefix, sorted."""
        ...

    def extremes(self, run_id: str) -> dict[str, Extremes]:
        """Every metric of a run, summed up, with the steps of its lowest and its highest value."""
        ...

    def children(self, run_id: str) -> list[RunHead]:
        """The runs nested in a run, oldest first."""
        ...

    def running(self) -> int:
        """How many active runs run now."""
        ...

    def statuses(self) -> dict[str, int]:
        """How many active runs there are of each state."""
        ...

    def taken_in(self) -> int:
        """How many points of metrics this process has written since it started."""
        ...


def parse_column(name: str) -> Column:
    """`metrics.auc`, `metrics.auc:high`, `params.depth` or `tags.team` as a column. Raises InvalidInputError."""
    prefix, dot, key = name.partition(".")
    entity = _PREFIXES.get(prefix)
    if not dot or entity is None or not key:
        msg = f"there is no column {name!r}; columns are metrics.KEY, params.KEY and tags.KEY"
        raise InvalidInputError(msg)
    stem, colon, figure = key.rpartition(":")
    if entity == "metric" and colon and figure in COLUMN_FIGURES:
        return Column(name, entity, stem, figure)
    return Column(name, entity, key)


@lru_cache(10_000)
def goal_of(key: str) -> str:
    """Whether a metric of this name is better the lower (`min`) or the higher (`max`) it is: a guess, by what such names mean."""
    words = set(_WORDS.findall(key.lower()))
    return "min" if words & _LOWER_IS_BETTER or any(word.endswith("loss") for word in words) else "max"
