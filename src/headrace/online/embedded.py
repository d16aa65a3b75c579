"""The embedded online store and the seen event ids, on LMDB. docs/decisions/0002 says why LMDB."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from headrace.errors import ConflictError
from headrace.online.codec import pack, unpack
from headrace.online.environment import FIRST_MAP_SIZE, Environment
from headrace.online.store import NOTHING, Delta, GroupStatus, Outcome, Stored

__all__ = ["EmbeddedOnlineStore", "EmbeddedSeenIds"]

Meta = dict[str, Any]

META, DATA, TIMES, NEXT_NUMBER = b"m", b"v", b"t", b"n"
SEEN_FOLDER = "seen"
LONGEST_KEY = 400
"""LMDB takes keys of at most 511 bytes: a longer one is stored by its SHA-256."""
_NUMBER = struct.Struct(">I")
_TIME = struct.Struct(">Q")
_PLACE = struct.Struct(">iq")
_BIAS = 2**63


class EmbeddedOnlineStore:
    """The OnlineStore of one folder. Any number of them, threads and processes may use the same folder.

    Args:
        folder: made if it doesn't exist.
        map_size: bytes of address space to begin with; it grows by itself.

    Raises:
        StorageError: the disk is full, or the folder can't be read or written.
        IntegrityError: the files are damaged. Any call may raise either.
    """

    async_read: None = None
    """A read takes microseconds: there is nothing to wait for."""

    def __init__(self, folder: Path, map_size: int = FIRST_MAP_SIZE) -> None:
        self._environment = Environment(folder, map_size)

    def close(self) -> None:
        """Give up the folder. The store can't be used afterwards."""
        self._environment.close()

    def apply(self, deltas: Sequence[Delta]) -> list[Outcome]:
        """Merge each delta that follows what its partition has applied, in one durable transaction."""
        return self._environment.write(lambda transaction: [_apply(transaction, delta) for delta in deltas])

    def read(self, requests: Sequence[tuple[str, Sequence[bytes | None]]]) -> list[list[Stored]]:
        """The states of (group, keys) pairs, all as of one moment. A None key gives None."""

        def work(transaction: Any) -> list[list[Stored]]:
            return [[*_read(transaction, group, keys)] for group, keys in requests]

        return self._environment.read(work)

    def read_with_positions(
        self, requests: Sequence[tuple[str, Sequence[bytes | None]]]
    ) -> list[tuple[list[Stored], list[Mapping[int, int]], str]]:
        """As `read`, with the offsets that each state reflects (the group's, for all keys move together) and the generation."""

        def work(transaction: Any) -> list[tuple[list[Stored], list[Mapping[int, int]], str]]:
            found: list[tuple[list[Stored], list[Mapping[int, int]], str]] = []
            for group, keys in requests:
                status = _status(_load_meta(transaction, group))
                found.append(([*_read(transaction, group, keys)], [status.applied] * len(keys), status.generation))
            return found

        return self._environment.read(work)

    def status(self, group: str, generation: str | None = None) -> GroupStatus:
        """What the current generation of a group reflects, or one that is being built."""
        name = group if generation is None else _building(group, generation)
        return self._environment.read(lambda transaction: _status(_load_meta(transaction, name)))

    def groups(self) -> list[str]:
        """The ids of the groups that have a current generation."""

        def work(transaction: Any) -> list[str]:
            return [name for name in _names(transaction) if _BUILDING not in name]

        return sorted(self._environment.read(work))

    def build(self, group: str) -> str:
        """Begin an empty generation beside the current one, or go on with the one that is being built; returns its name."""

        def work(transaction: Any) -> str:
            for name in _names(transaction):
                if name.startswith(group + _BUILDING):
                    return name.removeprefix(group + _BUILDING)
            number = _take_number(transaction)
            name = _building(group, number.hex())
            _store_meta(transaction, name, {**_load_meta(transaction, name), "number": number})
            return number.hex()

        return self._environment.write(work)

    def flip(self, group: str, generation: str) -> bool:
        """Make a generation the current one and drop the one before, in one transaction; False while it is behind."""

        def work(transaction: Any) -> bool:
            current, meta = _load_meta(transaction, group), _load_meta(transaction, _building(group, generation))
            if current["number"].hex() == generation:
                return True
            if not meta["number"]:
                msg = f"group {group!r} has no generation {generation!r}: it was dropped meanwhile; run the backfill again"
                raise ConflictError(msg)
            if any(meta["applied"].get(partition, -1) < last for partition, last in current["applied"].items()):
                return False
            transaction.delete(_meta_key(meta["name"]))
            _drop_meta(transaction, group)
            _store_meta(transaction, group, {**meta, "name": group})
            return True

        return self._environment.write(work)

    def drop(self, group: str) -> None:
        """Forget the group's state, all its generations and their applied offsets."""

        def work(transaction: Any) -> None:
            _drop_building(transaction, group)
            _drop_meta(transaction, group)

        self._environment.write(work)


class EmbeddedSeenIds:
    """The SeenIds of one folder, in files apart from an online store's in the same folder. Raises as that does."""

    def __init__(self, folder: Path, map_size: int = FIRST_MAP_SIZE) -> None:
        self._environment = Environment(folder / SEEN_FOLDER, map_size)

    def close(self) -> None:
        """Give up the folder. The object can't be used afterwards."""
        self._environment.close()

    def position(self, source: str, partition: int) -> int:
        """The offset up to which ids are recorded; -1 at first."""
        meta: Meta = self._environment.read(lambda transaction: _load_meta(transaction, source))
        return cast("int", meta["applied"].get(partition, -1))

    def record(self, source: str, partition: int, last: int, ids: Mapping[bytes, int]) -> None:
        """Record ids with their times and move the position to `last`. Does nothing if it has been there before."""

        def work(transaction: Any) -> None:
            meta = _load_meta(transaction, source)
            if last <= meta["applied"].get(partition, -1):
                return
            number = meta["number"] or _take_number(transaction)
            entries = sorted((_short(identifier), _TIME.pack(time + _BIAS)) for identifier, time in ids.items())
            prefix = DATA + number
            entries = [entry for entry in entries if len(transaction.get(prefix + entry[0]) or b"") <= _TIME.size]  # not claimed
            cursor = transaction.cursor()
            cursor.putmulti([(DATA + number + identifier, time) for identifier, time in entries])
            cursor.putmulti([(TIMES + number + time + identifier, b"") for identifier, time in entries])
            meta["applied"][partition] = last
            _store_meta(transaction, source, {**meta, "number": number})

        self._environment.write(work)

    def seen(self, source: str, ids: Sequence[bytes]) -> list[int | None]:
        """The recorded time of each id; None for an id not recorded."""
        states = self._environment.read(lambda transaction: _read(transaction, source, ids))
        return [None if state is None else _TIME.unpack_from(state)[0] - _BIAS for state in states]

    def claim(self, source: str, ids: Sequence[bytes], places: Sequence[tuple[int, int]], time: int, keep: int) -> list[bool]:
        """Whether each id belongs to its (partition, offset): to the first that claims it. An id is free again after `keep`."""

        def work(transaction: Any) -> list[bool]:
            meta = _load_meta(transaction, source)
            number = meta["number"] or _take_number(transaction)
            if not meta["number"]:
                _store_meta(transaction, source, {**meta, "number": number})
            oldest, now = _TIME.pack(time - keep + _BIAS), _TIME.pack(time + _BIAS)
            get, put = transaction.get, transaction.put
            found = []
            for identifier, place in zip(map(_short, ids), places, strict=True):
                key, own = DATA + number + identifier, _PLACE.pack(*place)
                stored = get(key)
                free = stored is None or stored[: _TIME.size] < oldest
                if free:
                    put(key, now + own)
                    put(TIMES + number + now + identifier, b"")
                found.append(free or stored[_TIME.size :] == own)
            return found

        return self._environment.write(work)

    def forget(self, source: str, before: int) -> None:
        """Drop ids whose time is before `before`."""

        def work(transaction: Any) -> None:
            number = _load_meta(transaction, source)["number"]
            prefix, limit = TIMES + number, _TIME.pack(before + _BIAS)
            old = []
            for key, _ in _under(transaction, prefix) if number else ():
                time = key[len(prefix) :][: _TIME.size]
                if time >= limit:
                    break
                old.append((key, time))
            for key, time in old:
                transaction.delete(key)
                identifier = DATA + number + key[len(prefix) + _TIME.size :]
                # An id that was recorded again with another time is kept for that one.
                if (transaction.get(identifier) or b"")[: _TIME.size] == time:
                    transaction.delete(identifier)

        self._environment.write(work)


def _apply(transaction: Any, delta: Delta) -> Outcome:
    name = delta.group if delta.generation is None else _building(delta.group, delta.generation)
    meta = _load_meta(transaction, name)
    if delta.generation is not None and not meta["number"]:  # another backfill took its place, or it is current by now
        return "overlaps"
    applied = meta["applied"].get(delta.partition, -1)
    if delta.last <= applied:
        return "skipped"
    if delta.first != applied + 1:
        return "overlaps"
    number = meta["number"] or _take_number(transaction)
    meta["count"] += _merge(transaction, DATA + number, delta, empty=meta["count"] == 0)
    meta["applied"][delta.partition] = delta.last
    meta["late"] += delta.late
    if delta.newest is not None:
        meta["newest"] = delta.newest if meta["newest"] is None else max(meta["newest"], delta.newest)
    _store_meta(transaction, name, {**meta, "number": number})
    return "applied"


def _merge(transaction: Any, prefix: bytes, delta: Delta, *, empty: bool) -> int:
    """Merge the changes, in the order of keys so that neighbours share pages; returns how many keys are new."""
    changes = sorted((prefix + _short(key), change) for key, change in delta.changes.items())
    merge = delta.merge
    cursor = transaction.cursor()
    if empty:
        cursor.putmulti([(key, merge(None, change)) for key, change in changes])
        return len(changes)
    get, put = transaction.get, transaction.put
    new = 0
    for key, change in changes:
        stored = get(key)
        new += stored is None
        put(key, merge(stored, change))
    return new


def _read(transaction: Any, group: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
    meta = transaction.get(_meta_key(group))
    if meta is None:
        return [None] * len(keys)
    prefix = DATA + _unpack_meta(meta)["number"]
    get = transaction.get
    return [None if key is None else get(prefix + key if len(key) < LONGEST_KEY else prefix + _short(key)) for key in keys]


_BUILDING = "\0"


def _building(group: str, generation: str) -> str:
    """The name under which a generation stands until it is the current one."""
    return f"{group}{_BUILDING}{generation}"


def _names(transaction: Any) -> list[str]:
    return [_unpack_meta(value)["name"] for _, value in _under(transaction, META)]


def _status(meta: Meta) -> GroupStatus:
    if not meta["number"]:
        return NOTHING
    return GroupStatus(meta["number"].hex(), dict(meta["applied"]), {}, meta["newest"], meta["late"], meta["count"])


def _drop_building(transaction: Any, group: str) -> None:
    for name in _names(transaction):
        if name.startswith(group + _BUILDING):
            _drop_meta(transaction, name)


def _drop_meta(transaction: Any, name: str) -> None:
    meta = transaction.pop(_meta_key(name))
    if meta is not None:
        _delete_under(transaction, DATA + _unpack_meta(meta)["number"])


def _short(key: bytes) -> bytes:
    """A key that LMDB takes. The length keeps the hashed apart from those stored as they are."""
    return key if len(key) < LONGEST_KEY else b"\xff" * (LONGEST_KEY - 32) + hashlib.sha256(key).digest()


def _meta_key(name: str) -> bytes:
    return META + _short(name.encode())


def _load_meta(transaction: Any, name: str) -> Meta:
    stored = transaction.get(_meta_key(name))
    if stored is None:
        return {"name": name, "number": b"", "count": 0, "newest": None, "late": 0, "applied": {}}
    return _unpack_meta(stored)


def _unpack_meta(stored: bytes) -> Meta:
    meta: Meta = unpack(stored, strict_map_key=False)
    return meta


def _store_meta(transaction: Any, name: str, meta: Meta) -> None:
    transaction.put(_meta_key(name), pack(meta))


def _take_number(transaction: Any) -> bytes:
    """A number never used before, so that what a dropped group left can't be taken for another's."""
    stored = transaction.get(NEXT_NUMBER)
    number = 1 if stored is None else _NUMBER.unpack(stored)[0]
    transaction.put(NEXT_NUMBER, _NUMBER.pack(number + 1))
    return _NUMBER.pack(number)


def _under(transaction: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    cursor = transaction.cursor()
    if cursor.set_range(prefix):
        for key, value in cursor:
            if not key.startswith(prefix):
                return
            yield key, value


def _delete_under(transaction: Any, prefix: bytes) -> None:
    cursor = transaction.cursor()
    found = cursor.set_range(prefix)
    while found and cursor.key().startswith(prefix):
        found = cursor.delete()
