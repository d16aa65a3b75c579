"""What stands under which key in Redis, and the bytes of a value. docs/decisions/0006 says why.

A value begins with a byte: 128 if one delta alone made the key, 64 if one partition alone has reached it, and the number of
frames (63: so many or more). Unless 64 is in it, 2 bytes with the number of partitions follow. For each partition 4 bytes name it
and 8 are the last offset that reached this key. Then comes the state, if there is one frame, or each frame after its length in 4
bytes: a state, and changes that nobody has merged into it yet.
"""

from __future__ import annotations

import secrets
import string
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from zlib import crc32

from headrace.errors import IntegrityError
from headrace.online.store import NOTHING, GroupStatus, Stored

__all__ = [
    "ALONE",
    "ALONE_WIDTH",
    "Layout",
    "entry",
    "frames_of",
    "new_generation",
    "not_ours",
    "offsets_of",
    "state_of",
    "status_of",
    "to_biased",
]

_ENTRY = struct.Struct(">iQ")
_COUNT = struct.Struct(">H")
_LENGTH = struct.Struct(">I")
_BIAS = 2**63
ALONE = frozenset([64 + 1, 128 + 64 + 1])
"""The first byte of values of one partition and one frame: nearly all."""
ALONE_WIDTH = 1 + _ENTRY.size
"""Where the state begins in them."""
BUCKETS = 512
"""Of a cluster: the keys of one bucket lie in one slot, so one call of a script works on many of them."""
_SLOTS = 16384
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of keys under one prefix.

    Attributes:
        cluster: whether several nodes share the keys. What a group has beside its values lies in one slot then, and so do the
            values of a bucket.
    """

    prefix: str
    cluster: bool = False

    @property
    def groups(self) -> bytes:
        """The set of the groups that ever were."""
        return f"{self.prefix}:groups".encode()

    def pointer(self, group: str) -> bytes:
        """Holds the name of the group's current generation."""
        return f"{self.prefix}:p:{{{group}}}".encode()

    def about(self, group: str) -> bytes:
        """The hash with what is known of each generation: applied, begun, newest, late, count."""
        return f"{self.prefix}:g:{{{group}}}".encode()

    def values(self, generation: str) -> bytes:
        """What the keys of a generation's values begin with."""
        return f"{self.prefix}:{generation}:".encode()

    def names(self, start: bytes, keys: Sequence[bytes]) -> list[bytes]:
        """The keys of the values of some entities, after what the generation's keys begin with."""
        if not self.cluster:
            return [start + key for key in keys]
        tags = _tags()
        return [start + tags[crc32(key) % BUCKETS] + key for key in keys]

    def parts(self, keys: Sequence[bytes], most: int) -> list[Sequence[bytes]]:
        """Entities' keys in lists of at most so many that one command may work on."""
        if not self.cluster:
            return [keys[at : at + most] for at in range(0, len(keys), most)]
        buckets: dict[int, list[bytes]] = {}
        for key in keys:
            buckets.setdefault(crc32(key) % BUCKETS, []).append(key)
        return [part[at : at + most] for part in buckets.values() for at in range(0, len(part), most)]

    def seen(self, source: str) -> list[bytes]:
        """Of a source's seen ids: the sorted set by time, the hash of id to place, and the hash of partition to position."""
        return [f"{self.prefix}:{kind}:{{{source}}}".encode() for kind in ("times", "places", "reached")]


@cache
def _tags() -> list[bytes]:
    """A hash tag for each bucket. Their slots lie evenly, so nodes with as many slots have as many buckets."""
    from redis.crc import key_slot

    width, found, number = _SLOTS // BUCKETS, dict[int, bytes](), 0
    while len(found) < BUCKETS:
        tag = b"{%x}" % number
        found.setdefault(key_slot(tag) // width, tag)
        number += 1
    return [found[place] for place in range(BUCKETS)]


def new_generation() -> str:
    """A name that no generation ever had."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))


def entry(partition: int, last: int) -> bytes:
    """A partition and an offset as a header holds them."""
    return _ENTRY.pack(partition, last)


def frames_of(value: bytes, group: str, key: bytes | None) -> tuple[int, list[bytes]]:
    """Where the frames begin in a value, and the frames.

    Raises:
        IntegrityError: the bytes aren't a value of ours.
    """
    frames: list[bytes] = []
    start = at = 0
    try:
        first, start = _header(value)
        at = start
        if value[0] & 63 == 1 and first < start <= len(value):
            return start, [value[start:]]
        while at < len(value):
            (length,) = _LENGTH.unpack_from(value, at)
            at += _LENGTH.size + length
            frames.append(value[at - length : at])
    except (struct.error, IndexError) as error:
        raise not_ours(group, key) from error
    if len(frames) < 2 or at != len(value):
        raise not_ours(group, key)
    return start, frames


def not_ours(group: str, key: bytes | None) -> IntegrityError:
    """The error about a key that holds something else than a value of ours."""
    msg = (
        f"the value of group {group!r} under the key {key!r} is something that Headrace didn't write; does another program use "
        "this Redis? Give Headrace a prefix of its own in the URL (?prefix=…), then run: headrace materialize --rebuild"
    )
    return IntegrityError(msg)


def offsets_of(value: bytes) -> dict[int, int]:
    """Partition to the last offset that reached this key."""
    first, start = _header(value)
    return dict(_ENTRY.iter_unpack(value[first:start]))


def _header(value: bytes) -> tuple[int, int]:
    """Where a value's partitions begin, and where its frames do."""
    if value[0] & 64:
        return 1, ALONE_WIDTH
    first = 1 + _COUNT.size
    return first, first + _COUNT.unpack_from(value, 1)[0] * _ENTRY.size


def state_of(value: bytes | None, group: str, key: bytes | None) -> Stored:
    """The state that a value holds, or the state and the changes to it."""
    if value is None:
        return None
    if value and value[0] in ALONE:
        return value[ALONE_WIDTH:]
    _, frames = frames_of(value, group, key)
    return tuple(frames) if len(frames) > 1 else frames[0]


def status_of(generation: str, fields: Iterable[bytes], *, current: bool = True) -> GroupStatus:
    """What the fields of a group's hash (name, value, name, value, …) say of one generation, which may be the current one."""
    flat = [field.decode() for field in fields]
    start = f"{generation}:"
    known = {name[len(start) :]: value for name, value in zip(flat[::2], flat[1::2], strict=True) if name.startswith(start)}
    if not generation or "dead" in known or not (known or current):
        return NOTHING
    newest = known.get("newest")
    return GroupStatus(
        generation,
        {partition: int(last) for partition, last in _under("applied:", known)},
        {partition: _range(text) for partition, text in _under("begun:", known)},
        None if newest is None else _from_biased(newest),
        int(known.get("late", 0)),
        int(known.get("count", 0)),
    )


def to_biased(moment: int) -> str:
    """A time as a text of fixed width that has no sign."""
    return f"{moment + _BIAS:020d}"


def _from_biased(text: str) -> int:
    """The time that `to_biased` wrote."""
    return int(text) - _BIAS


def _under(start: str, known: Mapping[str, str]) -> list[tuple[int, str]]:
    return [(int(name[len(start) :]), value) for name, value in known.items() if name.startswith(start)]


def _range(text: str) -> tuple[int, int]:
    first, last = text.split(":")
    return int(first), int(last)
