"""GroupState: what one group version keeps per key in the online store. Writes changes from rows, merges and reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.definitions.group import FeatureGroup
from headrace.kernel.inputs import group_inputs
from headrace.kernel.tiles import INEXACT, Argument, Rows, State, Tiles
from headrace.online.codec import KeyCodec, pack, packer, unpack
from headrace.online.garbage import uncollected
from headrace.online.records import RecordReader, collect_records, merge_records
from headrace.online.store import Merge, Stored

__all__ = ["GroupState", "Reading"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reading:
    """Features of some keys as of one moment, before ttl and defaults.

    Attributes:
        values: feature name to a value per row: timestamps as int microseconds, dates as int days, float32 as float.
        times: the newest event time < t, or the record's timestamp <= t, microseconds; None where there is no row.
        inexact: rows that the states can't answer for this t; history has to. Their values and times mean nothing.
    """

    values: dict[str, list[Any]]
    times: list[int | None]
    inexact: list[int]


class GroupState:
    """The states of one group version. The types of the group's features must be resolved.

    Attributes:
        inputs: the expressions that `changes` wants evaluated.
    """

    def __init__(self, group: FeatureGroup) -> None:
        self.inputs = group_inputs(group)
        self._names = [item.feature.name for item in self.inputs.features]
        self._codec = KeyCodec(list(group.entity.keys.items()))
        self._keys = list(group.entity.keys)
        self._tiles = None if group.source.is_table else Tiles(self.inputs)
        self._readers: dict[tuple[str, ...], Any] = {}

    def key(self, values: Sequence[Any]) -> bytes | None:
        """The key of one entity, its parts in the entity's order; None if any is null.

        Raises:
            InvalidInputError: a part isn't of its type.
        """
        return self._codec.key(values)

    def keys(self, columns: Sequence[Sequence[Any]]) -> list[bytes | None]:
        """The keys of many entities, given a sequence of values for each part. Raises as `key` does."""
        return self._codec.keys(columns)

    def changes(self, rows: pa.Table, now: int | None = None, partition: int | None = None) -> dict[bytes, bytes]:
        """Key to the change that the rows make; rows with a null key make none.

        Args:
            rows: the entity's keys by their own names, `event_time`, `_offset`, `_sequence` where the offset doesn't tell the
                order of arrival, `_partition` unless given, and the columns of `inputs.expressions`. Any order.
            now: microseconds; lets what no read needs be left out, and keeps apart what isn't due. None: everything is kept.
            partition: the partition of all rows.
        """
        rows = _present(rows, self._keys).combine_chunks()
        if not rows.num_rows:
            return {}
        numbers, names = self._number_keys(rows)
        times, offsets = _integers(rows["event_time"]), _arrivals(rows)
        partitions = _integers(rows["_partition"]) if partition is None else np.full(len(times), partition, np.int64)
        if self._tiles is None:
            values = [_plain(rows[cast("str", item.argument)]) for item in self.inputs.features]
            packed = collect_records(numbers, times, offsets, partitions, values, now)
            return {names[key]: state for key, state in packed.items()}
        arguments = {item.argument: _argument(rows[item.argument]) for item in self.inputs.features if item.argument is not None}
        conditions = {item.where: _booleans(rows[item.where]) for item in self.inputs.features if item.where is not None}
        events = Rows(numbers, times, offsets, partitions, arguments, conditions)
        pack = packer()
        with uncollected():
            states = self._tiles.collect(events, len(names), now)
            return {name: pack(state) for name, state in zip(names, states, strict=True) if state is not None}

    def merge(self, now: int) -> Merge:
        """Joins changes to a stored state, and drops what no read at or after `now` (microseconds) can need."""
        tiles = self._tiles

        def merge(stored: bytes | None, /, *changes: bytes) -> bytes:
            if stored is None:
                stored, *changes = changes  # type: ignore[assignment]
            if not changes:
                return stored
            if tiles is None:
                return merge_records(stored, changes, now)
            return pack(tiles.merge(unpack(stored), [unpack(change) for change in changes], now))

        return merge

    @property
    def replaces(self) -> bool:
        """Whether a newer record takes the place of an older one, as Delta.due says; tiles must be merged."""
        return self._tiles is None

    def read(self, stored: Sequence[Stored], t: int, names: Sequence[str] | None = None) -> Reading:
        """The features (all, or those named) of each state as of `t`, microseconds.

        Raises:
            InvalidInputError: a sum of integers that no int64 holds.
        """
        wanted = tuple(self._names if names is None else names)
        reader = self._readers.get(wanted)
        if reader is None:
            reader = self._readers[wanted] = self._reader(wanted)
        if self._tiles is None:
            columns, times, inexact = reader.read(stored, t)
            return Reading(dict(zip(wanted, columns, strict=True)), times, inexact)
        states = [None if item is None else self._unpacked(item, t) for item in stored]
        rows, times, inexact = [], [], []
        for place, state in enumerate(states):
            time, values = (None, reader.empty) if state is None else reader.read(state, t)
            if time is INEXACT:
                inexact.append(place)
                time, values = None, reader.empty
            rows.append(values)
            times.append(time)
        columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in wanted]
        return Reading(dict(zip(wanted, columns, strict=True)), times, inexact)

    def _unpacked(self, stored: bytes | tuple[bytes, ...], t: int) -> State:
        """The tiles of a state, with the changes merged that weren't yet."""
        if isinstance(stored, bytes):
            state: State = unpack(stored)
            return state
        first, *changes = map(unpack, stored)
        return cast("Tiles", self._tiles).merge(first, changes, t)

    def _reader(self, names: tuple[str, ...]) -> Any:
        if self._tiles is None:
            return RecordReader([self._names.index(name) for name in names], len(self._names))
        return self._tiles.reader(names)

    def _number_keys(self, rows: pa.Table) -> tuple[Ints, list[bytes]]:
        if len(self._keys) == 1:
            encoded = _numeric(rows[self._keys[0]]).dictionary_encode()
            distinct = self._codec.keys([_plain(encoded.dictionary)])
            return encoded.indices.to_numpy().astype(np.int64), cast("list[bytes]", distinct)
        keys = self._codec.keys([_plain(rows[name]) for name in self._keys])
        encoded = pa.array(keys, pa.large_binary()).dictionary_encode()
        return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def _present(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    for name in names:
        if rows[name].null_count:
            rows = rows.filter(pc.is_valid(rows[name]))
    return rows


def _numeric(column: Any) -> Any:
    """Vectors as their bytes, timestamps as int64 microseconds, dates as int32 days, texts and bytes of one layout, all else as
    it is; one array."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = array.type
    if pa.types.is_fixed_size_list(kind):
        return _packed(array)
    if pa.types.is_timestamp(kind):
        return array.cast(pa.timestamp("us", kind.tz)).view(pa.int64())
    if pa.types.is_date32(kind):
        return array.view(pa.int32())
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return array.cast(pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary())
    return array


def _packed(array: pa.Array) -> pa.Array:
    """Each vector's numbers as they lie in memory (little-endian, 32 bits each)."""
    values = array.values.slice(array.offset * array.type.list_size, len(array) * array.type.list_size)
    width = array.type.list_size * 4
    numbers = np.ascontiguousarray(values.fill_null(0).to_numpy(zero_copy_only=False), "<f4")
    packed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(array), [None, pa.py_buffer(numbers)])
    return pc.if_else(array.is_valid(), packed.cast(pa.large_binary()), pa.scalar(None, pa.large_binary()))


def _plain(column: Any) -> list[Any]:
    """The values as Python objects. By way of NumPy, which is several times faster than Arrow's own conversion."""
    array = _numeric(column)
    if array.null_count and (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        values: list[Any] = array.to_pylist()
        return values
    found: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
    return found


def _arrivals(rows: pa.Table) -> Ints:
    """The place of each row in the order of arrival."""
    offsets = rows["_offset"]
    return _integers(pc.coalesce(rows["_sequence"], offsets) if "_sequence" in rows.column_names else offsets)


def _integers(column: Any) -> Ints:
    return cast("Ints", _numeric(column).cast(pa.int64()).to_numpy(zero_copy_only=False))


def _booleans(column: Any) -> npt.NDArray[np.bool_]:
    return cast("npt.NDArray[np.bool_]", column.combine_chunks().to_numpy(zero_copy_only=False))


def _argument(column: Any) -> Argument:
    array = _numeric(column)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(array.type) or pa.types.is_integer(array.type):
        wide = pa.float64() if pa.types.is_floating(array.type) else pa.int64()
        numbers = pc.fill_null(array.cast(wide), 0).to_numpy(zero_copy_only=False)
        return Argument(numbers, valid)
    encoded = array.dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    codes = pc.fill_null(encoded.indices, 0).to_numpy(zero_copy_only=False)
    numbers = ranks[codes] if len(order) else np.zeros(len(array), np.int64)
    return Argument(numbers, valid, encoded.dictionary.take(pa.array(order)).to_pylist())
