"""The stream side of the kernel: events become tiles, tiles merge, and a read at t combines those its windows cover.

A tile holds the partial aggregates of one key over one hop. A state is everything kept of one key, as nested lists:

    [newest, oldest, pending, family, family, …]      family: [pruned, tiles, column of cells, column of cells, …]

newest, oldest: event times over all folded events, also those pruned since; None if there are none.
pending: [[event time, state], …] ascending; events not yet due when they came in, kept apart so that no tile is split.
family: the tiles of one hop, numbered floor(event time / hop), ascending; hop 0 is one tile of all events.
pruned: the highest tile that was dropped, because no read as of the newest event or later can need it.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from headrace.definitions.aggregation import Aggregation
from headrace.kernel.finishes import Finish, feature_columns
from headrace.kernel.inputs import GroupInputs
from headrace.kernel.partials import Block, Cell, Partial

__all__ = ["INEXACT", "Argument", "Rows", "State", "TileReader", "Tiles"]

State = list[Any]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

INEXACT: Any = object()
"""The answer where a state can't give the exact one: history has to."""

FAMILIES = 3
"""Where the families begin in a state."""
MOST_PENDING = 1000
"""A key keeps at most so many distinct times of events that aren't due; the earliest are folded beyond that."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A column of arguments: the values of rows that have one.

    Attributes:
        numbers: int64 or float64 values, or int64 codes in the values' order; anything where there is no value.
        valid: which rows have a value.
        values: what the codes stand for; None if the numbers are the values.
    """

    numbers: npt.NDArray[Any]
    valid: Bools
    values: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Events to aggregate.

    Attributes:
        keys: the number of each row's key.
        times, offsets, partitions: of each row; times in microseconds.
        arguments: by input column.
        conditions: by input column, never null.
    """

    keys: Ints
    times: Ints
    offsets: Ints
    partitions: Ints
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    conditions: Mapping[str, Bools] = field(default_factory=dict)

    def take(self, rows: npt.NDArray[Any]) -> Rows:
        """The rows at these places."""
        return Rows(
            self.keys[rows],
            self.times[rows],
            self.offsets[rows],
            self.partitions[rows],
            {name: Argument(item.numbers[rows], item.valid[rows], item.values) for name, item in self.arguments.items()},
            {name: item[rows] for name, item in self.conditions.items()},
        )


@dataclass(frozen=True, slots=True)
class Family:
    """The tiles of one hop.

    Attributes:
        hop: microseconds; 0 for aggregates since the beginning.
        length: the longest window, microseconds; 0 likewise.
        columns: the partial aggregates of each tile.
    """

    hop: int
    length: int
    columns: tuple[Partial, ...]

    def first_tile(self, t: int, window: int) -> int:
        """The oldest tile of a window as of t."""
        return (t - window) // self.hop


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """How one feature is read: the columns of a family, over a window, through a finish."""

    family: int
    columns: tuple[int, ...]
    window: int | None
    finish: Finish


class Tiles:
    """The tiles of one event group: which there are, how events become states, and how states merge."""

    def __init__(self, inputs: GroupInputs) -> None:
        columns: dict[int, dict[Partial, int]] = {}
        lengths: dict[int, int] = {}
        parts = []
        for item in inputs.features:
            value = cast("Aggregation", item.feature.value)
            window = value.window or 0
            # A window without a hop has an exact tail: tiles of one microsecond.
            hop = (value.hop or 1) if window else 0
            needed, finish = feature_columns(item)
            known = columns.setdefault(hop, {})
            lengths[hop] = max(lengths.get(hop, 0), window)
            parts.append((hop, tuple(known.setdefault(partial, len(known)) for partial in needed), window or None, finish))
        hops = sorted(columns)
        self.families = tuple(Family(hop, lengths[hop], tuple(columns[hop])) for hop in hops)
        self._plans = {
            item.feature.name: FeaturePlan(hops.index(hop), places, window, finish)
            for item, (hop, places, window, finish) in zip(inputs.features, parts, strict=True)
        }

    def collect(self, rows: Rows, keys: int, now: int | None) -> list[State | None]:
        """The state that the rows make of each key, `0 <= key < keys`; None for a key without rows.

        `now` says which rows are due; None: all are, and nothing is pruned.
        """
        states: list[State | None] = [None] * keys
        early = np.zeros(len(rows.times), bool) if now is None else rows.times >= now
        if not early.all():
            for key, state in self._states(rows.take(~early) if early.any() else rows, now):
                states[key] = state
        if early.any():
            self._keep_apart(states, rows.take(early))
        return states

    def merge(self, state: State, changes: Sequence[State], now: int) -> State:
        """The state of the events of all, less what no read at or after min(newest event, now) needs."""
        change = functools.reduce(self._join, changes)  # these are small; the state is gone through once
        return self._prune(self._fold(self._join(state, change), now), now)

    def reader(self, names: Sequence[str] | None = None) -> TileReader:
        """Reads the features named, all by default."""
        return TileReader(self, tuple(self._plans[name] for name in (self._plans if names is None else names)))

    def due(self, state: State, t: int) -> State:
        """The state with the pending events before t folded in, and the others left out."""
        for time, pending in state[2]:
            if time >= t:
                break
            state = self._join(state, pending)
        return [*state[:2], [], *state[FAMILIES:]]

    def _keep_apart(self, states: list[State | None], rows: Rows) -> None:
        pairs, moments = np.unique(np.stack([rows.keys, rows.times]), axis=1, return_inverse=True)
        apart = Rows(moments.reshape(-1), rows.times, rows.offsets, rows.partitions, rows.arguments, rows.conditions)
        for moment, state in self._states(apart, None):
            key, time = pairs[:, moment].tolist()
            whole = states[key]
            if whole is None:
                whole = states[key] = [None, None, [], *([None, [], *([] for _ in family.columns)] for family in self.families)]
            whole[2].append([time, state])

    def _states(self, rows: Rows, now: int | None) -> list[tuple[int, State]]:
        rows = rows.take(np.lexsort((rows.partitions, rows.offsets, rows.times, rows.keys)))
        starts = _starts(rows.keys)
        ends = np.append(starts[1:], len(rows.keys))
        newest, oldest = rows.times[ends - 1], rows.times[starts]
        families = [self._family_states(family, rows, starts, newest, now) for family in self.families]
        heads = zip(newest.tolist(), oldest.tolist(), *families, strict=True)
        return [(key, [new, old, [], *parts]) for key, (new, old, *parts) in zip(rows.keys[starts].tolist(), heads, strict=True)]

    def _family_states(self, family: Family, rows: Rows, starts: Ints, newest: Ints, now: int | None) -> list[list[Any]]:
        tiles = rows.times // family.hop if family.hop else np.zeros(len(rows.times), np.int64)
        pruned: list[int | None] = [None] * len(starts)
        if family.hop and now is not None:
            sizes = np.diff(np.append(starts, len(tiles)))
            keep = tiles >= np.repeat((np.minimum(newest, now) - family.length) // family.hop, sizes)
            if not keep.all():
                dropped = np.add.reduceat(~keep, starts, dtype=np.int64)
                for key in np.flatnonzero(dropped).tolist():
                    pruned[key] = int(tiles[starts[key] + dropped[key] - 1])
                rows, tiles = rows.take(keep), tiles[keep]
        begin = _starts(rows.keys, tiles)
        columns = [_column_cells(partial, rows, begin) for partial in family.columns]
        bounds = np.append(np.flatnonzero(np.append(True, np.diff(rows.keys[begin]) != 0)), len(begin)).tolist()
        numbers = tiles[begin].tolist()
        return [
            [gone, numbers[start:end], *[column[start:end] for column in columns]]
            for gone, (start, end) in zip(pruned, pairwise(bounds), strict=True)
        ]

    def _join(self, one: State, other: State) -> State:
        families = [
            _join_family(family, left, right)
            for family, left, right in zip(self.families, one[FAMILIES:], other[FAMILIES:], strict=True)
        ]
        pending = self._join_pending(one[2], other[2]) if one[2] or other[2] else []
        newest = other[0] if one[0] is None else one[0] if other[0] is None else max(one[0], other[0])
        oldest = other[1] if one[1] is None else one[1] if other[1] is None else min(one[1], other[1])
        return [newest, oldest, pending, *families]

    def _join_pending(self, one: list[Any], other: list[Any]) -> list[Any]:
        joined: dict[int, State] = {}
        for time, state in (*one, *other):
            joined[time] = self._join(joined[time], state) if time in joined else state
        return [[time, joined[time]] for time in sorted(joined)]

    def _fold(self, state: State, now: int) -> State:
        pending = state[2]
        if not pending:
            return state
        ready = max(bisect_left(pending, now, key=lambda item: item[0]), len(pending) - MOST_PENDING)
        folded = [state[0], state[1], [], *state[FAMILIES:]]
        for _, part in pending[:ready]:
            folded = self._join(folded, part)
        folded[2] = pending[ready:]
        return folded

    def _prune(self, state: State, now: int) -> State:
        if state[0] is None:
            return state
        moment = min(state[0], now)
        for place, family in enumerate(self.families, FAMILIES):
            pruned, tiles, *columns = state[place]
            if family.hop and tiles and (first := family.first_tile(moment, family.length)) > tiles[0]:
                cut = bisect_left(tiles, first)
                gone = tiles[cut - 1] if pruned is None else max(pruned, tiles[cut - 1])
                state[place] = [gone, tiles[cut:], *[column[cut:] for column in columns]]
        return state


class TileReader:
    """Reads chosen features of one event group from states."""

    def __init__(self, tiles: Tiles, plans: tuple[FeaturePlan, ...]) -> None:
        self._tiles = tiles
        self._plans = plans
        self.empty = tuple(plan.finish([[] for _ in plan.columns]) for plan in plans)

    def read(self, state: State, t: int) -> tuple[int | None, Sequence[Any]]:
        """The newest event time before t and the features as of t; INEXACT and no values if the state can't tell.

        Raises:
            InvalidInputError: a sum of integers that no int64 holds.
        """
        if state[2]:
            state = self._tiles.due(state, t)
        newest, oldest = state[0], state[1]
        if newest is None or oldest >= t:
            return None, self.empty
        if newest >= t:
            return INEXACT, ()
        values = []
        for plan in self._plans:
            family = state[FAMILIES + plan.family]
            start = 0
            if plan.window is not None:
                first = self._tiles.families[plan.family].first_tile(t, plan.window)
                if family[0] is not None and family[0] >= first:
                    return INEXACT, ()
                start = bisect_left(family[1], first)
            columns = [[cell for cell in family[2 + column][start:] if cell is not None] for column in plan.columns]
            values.append(plan.finish(columns))
        return newest, values


def _starts(*columns: Ints) -> Ints:
    changed = np.zeros(len(columns[0]), bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


def _column_cells(partial: Partial, rows: Rows, starts: Ints) -> list[Cell]:
    """One cell of a column per group of sorted rows; None for a group without a value."""
    argument = None if partial.argument is None else rows.arguments[partial.argument]
    masks = [] if argument is None or argument.valid.all() else [argument.valid]
    if partial.where is not None:
        masks.append(rows.conditions[partial.where])
    numbers = rows.times if argument is None else argument.numbers
    block = Block(numbers, None if argument is None else argument.values, starts, rows.times, rows.offsets, rows.partitions)
    if not masks:
        return partial.cells(block)
    chosen = np.flatnonzero(np.logical_and.reduce(masks))
    cells: list[Cell] = [None] * len(starts)
    if not len(chosen):
        return cells
    group = np.searchsorted(starts, chosen, side="right") - 1
    begin = _starts(group)
    columns = (rows.times[chosen], rows.offsets[chosen], rows.partitions[chosen])
    found = partial.cells(Block(numbers[chosen], block.values, begin, *columns))
    for place, cell in zip(group[begin].tolist(), found, strict=True):
        cells[place] = cell
    return cells


def _join_family(family: Family, one: list[Any], other: list[Any]) -> list[Any]:
    if one[1] and other[1] and one[1][0] > other[1][0]:
        one, other = other, one
    pruned = other[0] if one[0] is None else one[0] if other[0] is None else max(one[0], other[0])
    if not one[1] or not other[1] or one[1][-1] < other[1][0]:
        return [pruned, *[left + right for left, right in zip(one[1:], other[1:], strict=True)]]
    if one[1][-1] == other[1][0]:
        return [pruned, one[1] + other[1][1:], *_join_touching(family, one, other)]
    cut = bisect_left(one[1], other[1][0])  # nothing changes before
    joined = _join_mixed(family, [None, *[column[cut:] for column in one[1:]]], other)
    return [pruned, *[left[:cut] + right for left, right in zip(one[1:], joined, strict=True)]]


def _join_touching(family: Family, one: list[Any], other: list[Any]) -> list[list[Cell]]:
    return [
        [*left[:-1], _join_cells(partial, left[-1], right[0]), *right[1:]]
        for partial, left, right in zip(family.columns, one[2:], other[2:], strict=True)
    ]


def _join_mixed(family: Family, one: list[Any], other: list[Any]) -> list[list[Any]]:
    tiles = sorted({*one[1], *other[1]})
    columns = []
    for partial, left, right in zip(family.columns, one[2:], other[2:], strict=True):
        cells = dict(zip(one[1], left, strict=True))
        for tile, cell in zip(other[1], right, strict=True):
            cells[tile] = _join_cells(partial, cells.get(tile), cell)
        columns.append([cells[tile] for tile in tiles])
    return [tiles, *columns]


def _join_cells(partial: Partial, one: Cell, other: Cell) -> Cell:
    if one is None or other is None:
        return other if one is None else one
    return partial.merge(one, other)
