"""Online features: the values now, for some entities, in milliseconds."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.catalog.service import Catalog
from headrace.clock import Clock, to_micros
from headrace.definitions.aggregation import Feature
from headrace.definitions.schema import arrow_type
from headrace.definitions.version import GroupVersion, ViewVersion, without_on_demand
from headrace.definitions.view import FeatureView
from headrace.errors import InvalidInputError
from headrace.features import on_demand
from headrace.features.asked import broadcast
from headrace.features.cache import StateCache, checked_staleness
from headrace.features.frames import to_model_frame
from headrace.features.history import History
from headrace.features.ingest import Ingest
from headrace.features.online import OnlineGroups
from headrace.features.served import Served
from headrace.features.values import (
    NULL_VALUE,
    PRESENT,
    GroupColumns,
    are_fresh,
    columns_of,
    finish_values,
    is_stored_as_given,
    to_arrow,
    to_values,
)
from headrace.online.state import GroupState, Reading
from headrace.online.steps import Steps, run, run_async
from headrace.online.store import AsyncRead, Requests, Stored

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

__all__ = ["Lookup", "OnlineFeatures", "complete", "types_of"]


MOST_PLANS = 1000


@dataclass(frozen=True)
class OnlineFeatures:
    """The answer to an online read: one row per entity asked for, in the order asked.

    Attributes:
        view: the view version that answered, `ranking:3`.
        keys: the request's columns, as asked.
        values: feature name to its values.
        statuses: feature name to the status of each row: PRESENT, NULL_VALUE (there is a row, its value is null), NOT_FOUND
            (there is no row) or OUTSIDE_MAX_AGE (older than the ttl).
        at: the moment asked about, microseconds since 1970 UTC.
    """

    view: str
    keys: Mapping[str, list[Any]]
    values: Mapping[str, list[Any]]
    statuses: Mapping[str, list[str]]
    at: int
    times: Mapping[str, Sequence[int | None]] = field(repr=False)
    types: Mapping[str, str] = field(repr=False)

    def __len__(self) -> int:
        return len(next(iter(self.keys.values()), []))

    @property
    def ages(self) -> dict[str, list[float | None]]:
        """Feature name to seconds since the newest event or record that the value reflects; None if there is none."""
        return {name: [None if time is None else (self.at - time) / 1e6 for time in times] for name, times in self.times.items()}

    def to_dict(self) -> dict[str, list[Any]]:
        """Column-major: the request's columns, then the features."""
        return {**self.keys, **self.values}

    def to_pandas(self) -> pd.DataFrame:
        """The request's columns and the features as a pandas DataFrame, one row per entity; typed as in training sets."""
        columns = self.to_dict().items()
        return to_model_frame(
            {name: to_arrow(column, self.types[name]) if name in self.types else column for name, column in columns}
        )

    def to_numpy(self) -> np.ndarray[Any, Any]:
        """The features alone, shape (rows, features): float64 with NaN for null if all are numbers, else objects."""
        import numpy as np

        columns = list(self.values.values())
        if all(isinstance(value, int | float | None) for column in columns for value in column):
            rows = [[np.nan if value is None else value for value in column] for column in columns]
            return np.array(rows, np.float64).reshape(len(columns), len(self)).T
        table = np.empty((len(self), len(columns)), object)
        for position, column in enumerate(columns):
            for row, value in enumerate(column):  # NumPy would spread the items of lists and vectors
                table[row, position] = value
        return table


class _NotAtOnce(Exception):  # noqa: N818 - no error: another way is taken
    """The online store alone can't answer."""


@dataclass(frozen=True)
class _GroupPlan:
    columns: GroupColumns
    state: GroupState
    features: tuple[tuple[Feature, tuple[str, ...]], ...]
    names: tuple[str, ...]
    request: tuple[str, ...]

    @cached_property
    def outs(self) -> tuple[str, ...] | None:
        """The view's names of the features, if each has one and its stored values are the answer; else None."""
        plain = all(len(outs) == 1 and is_stored_as_given(feature) for feature, outs in self.features)
        return tuple(outs[0] for _, outs in self.features) if plain else None


@dataclass(frozen=True)
class _Plan:
    """What a view's online read does, worked out once per view version."""

    groups: tuple[_GroupPlan, ...]
    keys: Mapping[str, str]
    inputs: tuple[str, ...]
    order: tuple[str, ...]
    types: Mapping[str, str]
    on_demand: bool

    @cached_property
    def in_order(self) -> bool:
        """Whether the groups' features, one group after the other, are in the view's order; nearly always."""
        return self.order == tuple(out for group in self.groups for _, outs in group.features for out in outs)


Position = tuple[list[Mapping[int, int]], str]
_Result = TypeVar("_Result")
_Read = Steps[Requests, list[list[Stored]], _Result]


class Lookup:
    """Answers online reads. One read of the online store a request, whatever the number of groups and entities."""

    def __init__(
        self, catalog: Catalog, ingest: Ingest, groups: OnlineGroups, history: History, clock: Clock, served: Served
    ) -> None:
        self._catalog = catalog
        self._ingest = ingest
        self._groups = groups
        self._history = history
        self._clock = clock
        self._served = served
        self._plans: dict[str, _Plan] = {}
        self._cache = StateCache()

    def read(
        self,
        reference: str,
        entities: Mapping[str, Any],
        at: Any = None,
        sample: float | None = None,
        max_staleness: float | None = None,
        request: str | None = None,
    ) -> OnlineFeatures:
        """The features of a view for some entities.

        Args:
            reference: the view, `"ranking"` or pinned `"ranking:3"`.
            entities: join keys and request inputs; scalars are broadcast to the length of the lists.
            at: the moment to answer for. Default: now.
            sample: the share of keys whose answers are kept for `verify`. Default: the setting.
            max_staleness: accept values that were read at most so many seconds ago. Default: always read the online store.
            request: the id under which the answer is kept. Default: a new one.

        Raises:
            NotFoundError: no such view.
            InvalidInputError: a key is missing or of the wrong type, or the columns differ in length.
        """
        view = self._catalog.view(reference)
        plan = self._plans.get(view.id) or self._plan(view.id, view)
        return self._read(view, plan, entities, at, sample, checked_staleness(max_staleness), request)

    def read_made(self, view: ViewVersion, entities: Mapping[str, Any], max_staleness: float | None = None) -> OnlineFeatures:
        """As `read`, for a view that no catalog holds, made of group versions. Its id must name what it reads."""
        plan = self._plans.get(view.id) or self._plan(view.id, view)
        return self._read(view, plan, entities, None, 0.0, checked_staleness(max_staleness))

    def read_at_once(
        self,
        view: ViewVersion,
        entities: Mapping[str, Any],
        sample: float | None = None,
        max_staleness: float | None = None,
        request: str | None = None,
    ) -> OnlineFeatures | Coroutine[Any, Any, OnlineFeatures | None] | None:
        """As `read` for now, if one read of the online store is all it takes; None if it isn't: then ask `read`.

        That is when the view is read for the first time, has on-demand features, or an answer has to come from the lake. Where
        an event loop can wait for the store, the answer is one to await, and so are errors; it may be None too, for a row of the
        sample asks the store for more.
        """
        plan = self._plans.get(view.id)
        if plan is None or plan.on_demand:
            return None
        staleness = checked_staleness(max_staleness)
        steps = self._steps(view, plan, entities, None, sample, staleness, at_once=True, request=request)
        if self._groups.async_read is not None:
            return _awaited(steps, self._groups.async_read)
        try:
            return run(steps, self._groups.read)
        except _NotAtOnce:
            return None

    def inputs(self, reference: str, entities: Mapping[str, Any], at: Any = None, sample: float | None = None) -> OnlineFeatures:
        """The same without on-demand features, for those who compute them elsewhere with `complete`. Raises as `read` does."""
        view = without_on_demand(self._catalog.view(reference))
        name = f"{view.id} without on-demand features"
        return self._read(view, self._plans.get(name) or self._plan(name, view), entities, at, sample)

    def group(self, version: GroupVersion, entities: Mapping[str, Any], at: Any = None) -> OnlineFeatures:
        """All features of a group alone, under its own names, for some entities. Raises InvalidInputError as `read` does."""
        name = f"group {version.id}"
        view = ViewVersion(FeatureView(version.group.name, [version.group]), version.version, {version.group.name: version})
        return self._read(view, self._plans.get(name) or self._plan(name, view), entities, at, 0.0)

    def _read(
        self,
        view: ViewVersion,
        plan: _Plan,
        entities: Mapping[str, Any],
        at: Any,
        sample: float | None,
        staleness: float = 0.0,
        request: str | None = None,
    ) -> OnlineFeatures:
        return run(self._steps(view, plan, entities, at, sample, staleness, request=request), self._groups.read)

    def _steps(
        self,
        view: ViewVersion,
        plan: _Plan,
        entities: Mapping[str, Any],
        at: Any,
        sample: float | None,
        staleness: float,
        *,
        at_once: bool = False,
        request: str | None = None,
    ) -> _Read[OnlineFeatures]:
        """A read, which yields what it asks the online store, and is sent the states."""
        moment = self._clock() if at is None else to_micros(at)
        asked, rows = broadcast(view.id, plan.keys, plan.inputs, entities)
        requests = [(group.columns.version.id, _encode(group, asked)) for group in plan.groups]
        values: dict[str, list[Any]] = {}
        statuses: dict[str, list[str]] = {}
        times: dict[str, Sequence[int | None]] = {}
        share = self._served.share if sample is None else sample
        chosen = self._served.choose(view, asked, share) if share else []
        positions: list[Position] = []
        if chosen:
            if at_once and self._groups.async_read is not None:
                raise _NotAtOnce
            found, positions = self._groups.read_with_positions(requests)
        elif staleness:
            found = yield from self._cache.read(requests, staleness)
        else:
            found = yield requests
        for place, (group, states) in enumerate(zip(plan.groups, found, strict=True)):
            reading = group.state.read(states, moment, group.names)
            if reading.inexact:
                if at_once:
                    raise _NotAtOnce
                self._from_history(group, reading, asked, moment, positions[place][0] if chosen else None)
            _finish(group, reading, moment, values, statuses, times)
        if plan.on_demand:
            _compute(view, plan.types, asked, rows, values, statuses, times)
        answer = OnlineFeatures(view.id, asked, values, statuses, moment, times, plan.types)
        if not plan.in_order:
            answer = _ordered(plan.order, answer)
        if chosen:
            self._served.keep(self._catalog.view(view.id), answer, chosen, positions, live=at is None, request=request)
        return answer

    def _plan(self, name: str, view: ViewVersion) -> _Plan:
        groups = []
        for columns in columns_of(view):
            self._ingest.drain(columns.group.source)  # what a crash left between the log and here
            features = tuple((columns.group.feature(name), outs) for name, outs in columns.names.items())
            state = self._groups.state(columns.version)
            groups.append(_GroupPlan(columns, state, features, tuple(columns.names), tuple(columns.keys.values())))
        asked = view.view
        plan = _Plan(
            tuple(groups),
            asked.request_keys,
            asked.request_inputs,
            asked.feature_names,
            types_of(view),
            on_demand=bool(asked.on_demand),
        )
        if len(self._plans) >= MOST_PLANS:  # clients can ask for views that nobody defined
            self._plans.clear()
        self._plans[name] = plan
        return plan

    def _from_history(
        self,
        group: _GroupPlan,
        reading: Reading,
        asked: Mapping[str, list[Any]],
        moment: int,
        reflected: list[Mapping[int, int]] | None,
    ) -> None:
        """Answer the rows that the online state can't answer exactly (a moment before its newest event) from the lake,
        restricted to what the online state reflects; `reflected` is told what that is."""
        import pyarrow as pa

        version = group.columns.version
        through = self._groups.status(version).applied
        kinds = version.group.entity.keys
        queries = {
            request: pa.array([asked[request][row] for row in reading.inexact], arrow_type(kinds[key]))
            for key, request in group.columns.keys.items()
        }
        found, found_times = self._history.values_at(group.columns, pa.table(queries), moment, through)
        for position, row in enumerate(reading.inexact):
            reading.times[row] = found_times[position]
            for name, column in found.items():
                reading.values[name][row] = column[position]
            if reflected is not None:
                reflected[row] = through


async def _awaited(steps: _Read[OnlineFeatures], read: AsyncRead) -> OnlineFeatures | None:
    try:
        return await run_async(steps, read)
    except _NotAtOnce:
        return None


def _finish(
    group: _GroupPlan,
    reading: Reading,
    moment: int,
    values: dict[str, list[Any]],
    statuses: dict[str, list[str]],
    times: dict[str, Sequence[int | None]],
) -> None:
    ttl, seen, columns = group.columns.group.ttl_micros, reading.times, list(reading.values.values())
    features: Iterable[tuple[tuple[Feature, tuple[str, ...]], list[Any]]] = zip(group.features, columns, strict=True)
    if group.outs is not None and are_fresh(seen, ttl, moment):  # nearly always: only columns with nulls need a second look
        outs = group.outs
        values.update(zip(outs, columns, strict=True))
        statuses.update(dict.fromkeys(outs, [PRESENT] * len(seen)))
        times.update(dict.fromkeys(outs, seen))
        features = () if all(map(all, columns)) else [item for item in features if None in item[1]]  # `all` is quicker
    for (feature, names), column in features:
        finished, states_of = finish_values(feature, ttl, column, seen, moment)
        for out in names:
            values[out], statuses[out], times[out] = finished, states_of, seen


def types_of(view: ViewVersion) -> dict[str, str]:
    """The types of a view's join keys and features."""
    return view.view.request_keys | {name: kind for name, (kind, _) in on_demand.input_types(view).items()}


def complete(view: ViewVersion, found: OnlineFeatures, asked: Mapping[str, list[Any]]) -> OnlineFeatures:
    """An answer of `Lookup.inputs` with the on-demand features beside, which are computed here.

    Args:
        asked: the columns of the request, those that on-demand features take among them.
    """
    types, rows = types_of(view), len(next(iter(asked.values()), []))
    values, statuses, times = dict(found.values), dict(found.statuses), dict(found.times)
    _compute(view, types, asked, rows, values, statuses, times)
    return _ordered(view.view.feature_names, OnlineFeatures(view.id, asked, values, statuses, found.at, times, types))


def _ordered(order: Sequence[str], found: OnlineFeatures) -> OnlineFeatures:
    values = {name: found.values[name] for name in order}
    statuses = {name: found.statuses[name] for name in order}
    return replace(found, values=values, statuses=statuses, times={name: found.times[name] for name in order})


def _compute(
    view: ViewVersion,
    types: Mapping[str, str],
    asked: Mapping[str, list[Any]],
    rows: int,
    values: dict[str, list[Any]],
    statuses: dict[str, list[str]],
    times: dict[str, Sequence[int | None]],
) -> None:
    needed = {name for item in view.view.on_demand for name in item.inputs}
    columns = {
        name: to_arrow(column, types[name]) for name, column in {**asked, **values}.items() if name in needed & types.keys()
    }
    columns |= {name: _input(name, asked[name]) for name in view.view.request_inputs}
    for name, column in on_demand.compute(view, columns, rows).items():
        values[name] = to_values(column)
        statuses[name] = [NULL_VALUE if value is None else PRESENT for value in values[name]]
        times[name] = [None] * rows


def _input(name: str, column: list[Any]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(column)
    except (pa.ArrowException, OverflowError) as error:
        msg = f"{name!r} of the request can't be read as one type of values: {error}"
        raise InvalidInputError(msg) from error


def _encode(group: _GroupPlan, asked: Mapping[str, list[Any]]) -> list[bytes | None]:
    return group.state.keys([asked[name] for name in group.request])
