"""A sample of the feature vectors that were served, exactly as they were, with what each reflected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

from headrace.definitions.schema import arrow_type
from headrace.definitions.version import ViewVersion
from headrace.errors import InvalidInputError
from headrace.features.answers import AnswerLog, Together
from headrace.features.on_demand import input_types
from headrace.features.values import columns_of, to_arrow
from headrace.ids import new_id
from headrace.lake.table import EVENT_TIME
from headrace.online.codec import KeyCodec

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["COMPLETE", "INPUTS", "KEY", "LIVE", "REFLECTED", "REQUEST", "STATUSES", "VALUE", "Answer", "Position", "Served"]

KEY, VALUE = "key_", "value_"
"""Before the name of a join key or of a feature in the name of its column."""
REQUEST, LIVE, COMPLETE, INPUTS, STATUSES, REFLECTED = "request", "live", "complete", "inputs", "statuses", "reflected"
"""Columns: the request's id; whether it asked for the moment that it came; whether on-demand features were computed here; its
inputs as Arrow bytes; statuses in the order of the features; what each group's values reflect, as JSON in the order of
`columns_of`."""

Position = tuple[Sequence[Mapping[int, int]], str]
"""What a group's values reflect: for each row, partition to the highest offset; and the generation."""


class Answer(Protocol):
    """What an online read answered: see OnlineFeatures."""

    @property
    def keys(self) -> Mapping[str, list[Any]]:
        """The request's columns."""
        ...

    @property
    def values(self) -> Mapping[str, list[Any]]:
        """Feature name to its values."""
        ...

    @property
    def statuses(self) -> Mapping[str, list[str]]:
        """Feature name to the status of each value."""
        ...

    @property
    def at(self) -> int:
        """The moment asked about."""
        ...


@dataclass(frozen=True, slots=True)
class _Taken:
    """Rows of an answer, copied: the answer belongs to whoever asked."""

    view: ViewVersion
    request: str
    at: int
    live: bool
    keys: dict[str, list[Any]]
    inputs: dict[str, list[Any]]
    values: dict[str, list[Any]]
    statuses: list[list[str]]
    rows: Sequence[int]
    positions: Sequence[Position]


class Served:
    """Keeps answers for a share of the keys; always the same keys, whoever serves them.

    Args:
        log: where they go.
        share: of all keys, 0 to 1, if a call doesn't say.

    Attributes:
        share: as given.
    """

    def __init__(self, log: AnswerLog, share: float) -> None:
        self.log = log
        self.share = share
        self._codecs: dict[str, KeyCodec] = {}

    def choose(self, view: ViewVersion, asked: Mapping[str, list[Any]], share: float) -> list[int]:
        """The rows of a request whose keys are in the sample: those whose hash with the view's name lies within the share."""
        if not 0 <= share <= 1:
            msg = f"sample is {share!r}; it is a share of keys, from 0 to 1"
            raise InvalidInputError(msg)
        codec = self._codecs.get(view.id)
        if codec is None:
            codec = self._codecs[view.id] = KeyCodec(list(view.view.request_keys.items()))
        keys = codec.keys([asked[name] for name in view.view.request_keys])
        name, limit = view.view.name.encode() + b"\0", int(share * 2**64)
        return [
            row
            for row, key in enumerate(keys)
            if key is not None and int.from_bytes(blake2b(name + key, digest_size=8).digest()) < limit
        ]

    def keep(
        self,
        view: ViewVersion,
        answer: Answer,
        rows: Sequence[int],
        positions: Sequence[Position],
        *,
        live: bool,
        request: str | None = None,
    ) -> None:
        """Take rows of an answer to be written soon.

        Args:
            positions: what each group's values reflect, in the order of `columns_of`.
            live: whether the request asked about the moment that it came.
            request: its id. Default: a new one.
        """
        taken = _Taken(
            view,
            request or new_id(),
            answer.at,
            live,
            _picked(answer.keys, view.view.request_keys, rows),
            _picked(answer.keys, [name for name in view.view.request_inputs if name in answer.keys], rows),
            _picked(answer.values, answer.values, rows),
            [[statuses[row] for statuses in answer.statuses.values()] for row in rows],
            rows,
            positions,
        )
        self.log.offer(_table(view), len(rows), Together(_rows, taken))

    def read(self, view: ViewVersion, since: int | None = None) -> pa.Table:
        """The kept answers of a view version; everything that this process served included.

        Args:
            since: microseconds; only those about this moment or later. Default: all.
        """
        return self.log.read(_table(view), _schema(view), since)

    def answered(self, view: ViewVersion, since: int) -> pa.Table:
        """The values that were answered to requests about their own moment, whole ones, in columns named by the features."""
        import pyarrow.compute as pc

        rows = self.read(view, since)
        rows = rows.filter(pc.and_(rows.column(LIVE), rows.column(COMPLETE)))
        names = view.view.feature_names
        return rows.select([VALUE + name for name in names]).rename_columns(list(names))


def _table(view: ViewVersion) -> str:
    return f"__served__.{view.view.name}.{view.version}"  # no source has such a name, and no path needs quoting


def _schema(view: ViewVersion) -> pa.Schema:
    import pyarrow as pa

    types = input_types(view)
    return pa.schema(
        [
            (REQUEST, pa.string()),
            (LIVE, pa.bool_()),
            (COMPLETE, pa.bool_()),
            *((KEY + name, arrow_type(kind)) for name, kind in view.view.request_keys.items()),
            (INPUTS, pa.binary()),
            *((VALUE + name, arrow_type(types[name][0])) for name in view.view.feature_names),
            (STATUSES, pa.list_(pa.string())),
            (REFLECTED, pa.string()),
        ]
    )


def _picked(columns: Mapping[str, Sequence[Any]], names: Iterable[str], rows: Sequence[int]) -> dict[str, list[Any]]:
    return {name: [_copied(columns[name][row]) for row in rows] for name in names}


def _copied(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


def _reflected(names: Sequence[str], positions: Sequence[Position], row: int) -> str:
    found = zip(names, positions, strict=True)
    return json.dumps([{"group": name, "generation": made, "through": dict(limits[row])} for name, (limits, made) in found])


def _rows(taken: Sequence[_Taken]) -> pa.Table:
    """Answers of one view version as the table's columns."""
    import pyarrow as pa

    view = taken[0].view
    types, groups = input_types(view), [columns.version.id for columns in columns_of(view)]
    computed = [all(name in item.values for name in [each.name for each in view.view.on_demand]) for item in taken]
    columns: dict[str, Any] = {
        REQUEST: [item.request for item in taken for _ in item.rows],
        LIVE: [item.live for item in taken for _ in item.rows],
        COMPLETE: [whole for item, whole in zip(taken, computed, strict=True) for _ in item.rows],
        INPUTS: [packed for item in taken for packed in _inputs(item)],
        STATUSES: [statuses for item in taken for statuses in item.statuses],
        REFLECTED: [_reflected(groups, item.positions, row) for item in taken for row in item.rows],
    }
    for name, kind in view.view.request_keys.items():
        columns[KEY + name] = to_arrow([value for item in taken for value in item.keys[name]], kind)
    for name in view.view.feature_names:
        values = [value for item in taken for value in item.values.get(name, [None] * len(item.rows))]
        columns[VALUE + name] = to_arrow(values, types[name][0])
    rows = pa.table({name: columns[name] for name in _schema(view).names}, schema=_schema(view))
    return rows.append_column(EVENT_TIME, to_arrow([item.at for item in taken for _ in item.rows], "timestamp"))


def _inputs(taken: _Taken) -> list[bytes | None]:
    """The inputs of each row as Arrow bytes."""
    import pyarrow as pa

    if not taken.inputs:
        return [None] * len(taken.rows)
    inputs = pa.table({name: pa.array(column) for name, column in taken.inputs.items()})
    return [_bytes(inputs.slice(row, 1)) for row in range(len(taken.rows))]


def _bytes(rows: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue().to_pybytes())
