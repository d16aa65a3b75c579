"""Looking through many runs over HTTP: tables of them, what curves are made of, and what changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from headrace.remote.tracking import Remote
from headrace.tracking.changes import Change, Cursor
from headrace.tracking.curves import Piece, Size
from headrace.tracking.overview import Column, ExperimentFigures, Extremes, Keys, RunHead, RunTable, RunTree
from headrace.tracking.run import View
from headrace.tracking.store import RunQuery

__all__ = ["RemoteChanges", "RemoteCurveStore", "RemoteOverview"]


class RemoteOverview(Remote):
    """Overview over HTTP."""

    _folder = "overview"

    def experiments(self, view: View = "active") -> list[ExperimentFigures]:
        """All experiments, newest run first."""
        found: list[ExperimentFigures] = self._ask("experiments", list[ExperimentFigures], view=view)
        return found

    def keys(self, experiments: Sequence[str], *, exact: bool = True) -> Keys:
        """What the active runs of these experiments have logged."""
        found: Keys = self._ask("keys", Keys, experiments=list(experiments), exact=exact)
        return found

    def table(
        self, query: RunQuery, columns: Sequence[Column] = (), *, before: int | None = None, count: bool = True
    ) -> RunTable:
        """The runs that match, with these columns."""
        found: RunTable = self._ask("table", RunTable, query=query, columns=list(columns), before=before, count=count)
        return found

    def tree(
        self, query: RunQuery, columns: Sequence[Column] = (), *, opened: Sequence[str] | None, before: int | None = None
    ) -> RunTree:
        """A page of the runs, each below the one that it is nested in."""
        ids = None if opened is None else list(opened)
        found: RunTree = self._ask("tree", RunTree, query=query, columns=list(columns), opened=ids, before=before)
        return found

    def values(self, entity: str, key: str, prefix: str, limit: int) -> list[str]:
        """Values of a param, a tag or an attribute of runs that start with a prefix, sorted."""
        found: list[str] = self._ask("values", list[str], entity=entity, key=key, prefix=prefix, limit=limit)
        return found

    def extremes(self, run_id: str) -> dict[str, Extremes]:
        """Every metric of a run, summed up, with the steps of its lowest and its highest value."""
        found: dict[str, Extremes] = self._ask("extremes", dict[str, Extremes], run_id=run_id)
        return found

    def children(self, run_id: str) -> list[RunHead]:
        """The runs nested in a run, oldest first."""
        found: list[RunHead] = self._ask("children", list[RunHead], run_id=run_id)
        return found

    def running(self) -> int:
        """How many active runs run now."""
        found: int = self._ask("running", int)
        return found

    def statuses(self) -> dict[str, int]:
        """How many active runs there are of each state."""
        found: dict[str, int] = self._ask("statuses", dict[str, int])
        return found

    def taken_in(self) -> int:
        """How many points of metrics the server has written since it started."""
        found: int = self._ask("taken_in", int)
        return found


class RemoteCurveStore(Remote):
    """CurveStore over HTTP."""

    _folder = "curves"

    def sizes(self, run_ids: Sequence[str], keys: Sequence[str]) -> dict[tuple[str, str], Size]:
        """How much there is of each metric; what a run lacks is left out."""
        found = self._ask("sizes", list[tuple[str, str, int, int]], run_ids=list(run_ids), keys=list(keys))
        return {(run_id, key): (chunks, count) for run_id, key, chunks, count in found}

    def pieces(self, run_id: str, key: str, known: Collection[tuple[int, int]], *, summed: bool = False) -> list[Piece]:
        """The chunks of a metric from one state of the catalog, by number; those whose (number, count) is known without data."""
        found: list[Piece] = self._ask("pieces", list[Piece], run_id=run_id, key=key, known=list(known), summed=summed)
        return found

    def starts(self, run_ids: Sequence[str]) -> dict[str, int]:
        """When runs started; what isn't there is left out."""
        found: dict[str, int] = self._ask("starts", dict[str, int], run_ids=list(run_ids))
        return found


class RemoteChanges(Remote):
    """Changes over HTTP."""

    _folder = "changes"

    def end(self) -> Cursor:
        """Where the sequence ends now."""
        found: Cursor = self._ask("end", Cursor)
        return found

    def since(self, cursor: Cursor, limit: int) -> tuple[list[Change], Cursor] | None:
        """At most so many changes after a cursor, in order, and how far that is. None if some of them were forgotten already."""
        found: tuple[list[Change], Cursor] | None = self._ask(
            "since", tuple[list[Change], Cursor] | None, cursor=cursor, limit=limit
        )
        return found
