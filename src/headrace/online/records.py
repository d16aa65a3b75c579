"""The states of a table group: the record that holds now, those to come, and how far back the state knows.

A state is [oldest, timestamp, offset, partition, later, value, value, …]:
oldest: the lowest timestamp ever seen of the key; if it's below `timestamp`, older records were dropped.
timestamp, offset, partition, values: the oldest record that is kept.
later: None, or newer records [[timestamp, offset, partition, value, …], …] ascending, one per timestamp.

All of it is one msgpack array. The array's length and the four numbers are written in their full width, 3 bytes and 9, 9, 9, 5:
so a store that can't read msgpack finds them at fixed places, and may put one record in the place of another by itself.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from headrace.online.codec import pack, packer, unpack
from headrace.online.store import Stored

__all__ = ["RecordReader", "collect_records", "merge_records"]

FIRST_VALUE = 5
_ARRAY, _INT64, _INT32, _ARRAY_OF_ROWS = 0xDC, 0xD3, 0xD2, 0xDD
_ROWS = struct.Struct(">BI")
_HEAD = struct.Struct(">BHBqBqBqBi")
_HEADS = np.dtype(
    {
        "names": ["array", "length", "a", "oldest", "b", "time", "c", "offset", "d", "partition"],
        "formats": ["u1", ">u2", "u1", ">i8", "u1", ">i8", "u1", ">i8", "u1", ">i4"],
    }
)
Ints = npt.NDArray[np.int64]


def collect_records(
    keys: Ints, times: Ints, offsets: Ints, partitions: Ints, values: Sequence[Sequence[Any]], now: int | None
) -> dict[int, bytes]:
    """Key number to the packed state that the rows make. Without `now` every record is kept."""
    order = np.lexsort((partitions, offsets, times, keys))
    keys, times = keys[order], times[order]
    last = np.append(keys[1:] != keys[:-1], True)
    corrected = np.append((keys[1:] == keys[:-1]) & (times[1:] == times[:-1]), False)
    starts = np.flatnonzero(np.append(True, last[:-1]))
    oldest = np.repeat(times[starts], np.diff(np.append(starts, len(keys))))
    keep = ~corrected
    if now is not None:
        # A record that another of the same key follows by now never holds again.
        keep &= last | np.append(times[1:] > now, True)
    kept = order[keep]
    in_place = len(kept) == len(order) and bool((kept[1:] > kept[:-1]).all())
    columns = values if in_place else [_take(column, kept) for column in values]
    rows = zip(*columns, strict=True) if columns else [()] * len(kept)
    heads = _heads(FIRST_VALUE + len(columns), oldest[keep], times[keep], offsets[kept], partitions[kept])
    chosen, pack, cut = keys[keep].tolist(), packer(), _cut(len(columns))
    if len(kept) == len(starts):
        return {key: head + pack((None, *row))[cut:] for key, head, row in zip(chosen, heads, rows, strict=True)}
    states: dict[int, list[Any]] = {}
    for key, head, row in zip(chosen, heads, rows, strict=True):
        state = states.get(key)
        if state is None:
            states[key] = [*_HEAD.unpack(head)[3::2], None, *row]
        else:
            state[4] = [*(state[4] or ()), [*_HEAD.unpack(head)[5::2], *row]]
    return {key: _packed(state, pack) for key, state in states.items()}


def merge_records(stored: bytes, changes: Sequence[bytes], now: int) -> bytes:
    """The state of the records of all, less those that no read at or after now needs."""
    return functools.reduce(functools.partial(_merge_two, now=now), changes, stored)


def _merge_two(stored: bytes, change: bytes, now: int) -> bytes:
    one, other = unpack(stored), unpack(change)
    if one[4] is None and other[4] is None:
        newer, older = (other, one) if other[1:4] > one[1:4] else (one, other)
        if newer[1] <= now or newer[1] == older[1]:  # nearly always: one record takes the place of another
            newer[0] = min(one[0], other[0])
            return _packed(newer, pack)
    records = sorted(_records(one) + _records(other), key=_order)
    # Of one timestamp, the one that sorts last stays.
    records = list({record[0]: record for record in records}.values())
    oldest = min(one[0], other[0])
    # Before the moment from which both know everything, no answer would be sure.
    first = max([state[1] for state in (one, other) if state[0] < state[1]], default=oldest)
    first = max([first, *[record[0] for record in records if record[0] <= now]])
    kept = [record for record in records if record[0] >= first]
    return _packed([oldest, *kept[0][:3], kept[1:] or None, *kept[0][3:]], pack)


class RecordReader:
    """Reads chosen values of a table group from packed states."""

    def __init__(self, places: Sequence[int], width: int) -> None:
        self._choose = itemgetter(1, *[FIRST_VALUE + place for place in places])
        self._nothing: list[Any] = [None] * (FIRST_VALUE + width)
        self._packed_nothing = pack(self._nothing)

    def read(self, states: Sequence[Stored], t: int) -> tuple[list[list[Any]], list[int | None], list[int]]:
        """Values by column, record timestamps, and the rows that the states can't answer."""
        rows = self._rows(states, t)
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(self._nothing)
        inexact: list[int] = []
        if not _all_hold(columns[1], columns[4], t):
            for place, row in enumerate(rows):
                if row[1] is not None and (row[1] > t or row[4] is not None):
                    rows[place] = self._as_of(row, t)
                    if row[0] <= t < row[1]:
                        inexact.append(place)
            columns = list(zip(*rows, strict=True))
        times, *values = map(list, self._choose(columns))
        return values, times, inexact

    def _rows(self, states: Sequence[Stored], t: int) -> list[list[Any]]:
        """The states unpacked, in one call: an array of arrays."""
        try:
            packed = b"".join(cast("Sequence[bytes]", states))
        except TypeError:  # some are missing, or have changes that nobody merged
            packed = b"".join([self._packed_nothing if item is None else _whole(item, t) for item in states])
        rows: list[list[Any]] = unpack(_ROWS.pack(_ARRAY_OF_ROWS, len(states)) + packed)
        return rows

    def _as_of(self, row: list[Any], t: int) -> list[Any]:
        if row[1] > t:
            return self._nothing
        for later in reversed(row[4]):
            if later[0] <= t:
                return [row[0], *later[:3], None, *later[3:]]
        return row


def _whole(stored: bytes | tuple[bytes, ...], t: int) -> bytes:
    return stored if isinstance(stored, bytes) else merge_records(stored[0], stored[1:], t)


def _all_hold(times: Sequence[int | None], later: Sequence[Any], t: int) -> bool:
    """Whether every row has a record, and it is the one that holds at t: nearly always."""
    try:
        return max(times, default=t) <= t and later.count(None) == len(later)  # type: ignore[operator, type-var]
    except TypeError:  # some row has none
        return False


_order = itemgetter(0, 1, 2)


def _records(state: list[Any]) -> list[list[Any]]:
    return [[*state[1:4], *state[FIRST_VALUE:]], *(state[4] or ())]


def _heads(length: int, oldest: Ints, times: Ints, offsets: Ints, partitions: Ints) -> list[bytes]:
    """The first bytes of states: the array's length and the four numbers, each in its full width."""
    heads = np.empty(len(times), _HEADS)
    heads["array"], heads["length"], heads["d"] = _ARRAY, length, _INT32
    heads["a"] = heads["b"] = heads["c"] = _INT64
    heads["oldest"], heads["time"], heads["offset"], heads["partition"] = oldest, times, offsets, partitions
    flat, width = heads.tobytes(), _HEAD.size
    return [flat[at : at + width] for at in range(0, len(flat), width)]


def _packed(state: Sequence[Any], pack: Callable[[Any], bytes]) -> bytes:
    oldest, time, offset, partition, *rest = state
    head = _HEAD.pack(_ARRAY, len(state), _INT64, oldest, _INT64, time, _INT64, offset, _INT32, partition)
    return head + pack(rest)[_cut(len(rest) - 1) :]


def _cut(values: int) -> int:
    """How many bytes say the length of an array of `later` and so many values, which the head says already."""
    return 1 if values + 1 < 16 else 3 if values + 1 < 2**16 else 5


def _take(column: Sequence[Any], rows: Ints) -> list[Any]:
    return [column[row] for row in rows.tolist()]
