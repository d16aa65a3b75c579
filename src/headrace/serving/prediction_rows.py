"""The table of predictions: one row per request, its columns as JSON, so that large requests cost little more than small ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from headrace.clock import to_micros
from headrace.features.values import to_arrow
from headrace.lake.table import EVENT_TIME
from headrace.lineage.store import Edge
from headrace.serving.messages import unpack

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["URN", "Answering", "Made", "PredictionRecord", "Role", "records_of", "rows_of", "schema"]

Role = Literal["main", "canary", "shadow"]
URN = "prediction:"
_FACTS = ("model", "version", "request", "role", "view", "source", "method", "rows")


@dataclass(frozen=True, slots=True)
class Made:
    """The predictions of one request, as the service made them.

    Attributes:
        request: its id.
        model, version: the version that predicted.
        role: `main`; `canary` for a share of the traffic; `shadow` for a copy of it, whose answers aren't sent to anybody.
        view: the view version behind the features; empty if they came with the request.
        source: where the features came from: `request`, `online`, `defaults`, `last_good`.
        method: what was asked of the model.
        keys: columns of the request, packed by `messages.pack`: the garbage collector doesn't look into bytes.
        asked: the model's input, method and columns, as they were packed for its process.
        json: the predictions, a JSON list with one member per row.
        rows: how many.
        at: when, microseconds since 1970.
        seconds: the time from the request to the answer.
    """

    request: str
    model: str
    version: int
    role: Role
    view: str
    source: str
    method: str
    keys: bytes
    asked: bytes
    json: bytes
    rows: int
    at: int
    seconds: float


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One row of a kept request.

    Attributes:
        request, row: the id of the request, and the row in it, from 0.
        uri: the version that predicted, `models:/name/3`.
        role, view, source, method: as in `Made`.
        keys, features: the keys of the request, and the input of the model.
        prediction: the model's answer.
        time: microseconds since 1970.
        latency_ms: the time from the request to the answer.
    """

    request: str
    row: int
    uri: str
    role: str
    view: str
    source: str
    method: str
    keys: Mapping[str, Any]
    features: Mapping[str, Any]
    prediction: Any
    time: int
    latency_ms: float

    @property
    def version(self) -> int:
        """The number of the version that predicted."""
        return int(self.uri.rpartition("/")[2])

    @property
    def edges(self) -> list[Edge]:
        """The lineage edges that lead to it: from the version, and from the view that its features came from."""
        target = f"{URN}{self.request}"
        view = [Edge(f"view:{self.view}", target, "feeds", self.time)] if self.view else []
        return [Edge(self.uri, target, "shadows" if self.role == "shadow" else "predicts", self.time), *view]


@dataclass(frozen=True, slots=True)
class Answering:
    """A version that services answer with.

    Attributes:
        model, version, role: as in `Made`.
        rows: how many of its predictions were kept.
        last: the time of the last one, microseconds since 1970.
    """

    model: str
    version: int
    role: Role
    rows: int
    last: int


def schema() -> pa.Schema:
    """The table's own columns."""
    import pyarrow as pa

    texts = [(name, pa.string()) for name in ("request", "role", "view", "source", "method", "keys", "features", "predictions")]
    return pa.schema(
        [("model", pa.string()), ("version", pa.int32()), ("rows", pa.int32()), *texts, ("latency_ms", pa.float64())]
    )


def rows_of(many: Sequence[Made]) -> pa.Table:
    """Predictions as rows of the table, with EVENT_TIME."""
    import pyarrow as pa

    columns: dict[str, Any] = {name: [getattr(made, name) for made in many] for name in _FACTS}
    columns["keys"] = _texts([_text(unpack(made.keys)) for made in many])
    columns["features"] = _texts([_text(unpack(made.asked)[1]) for made in many])
    columns["predictions"] = _texts([made.json for made in many])
    columns["latency_ms"] = [made.seconds * 1000 for made in many]
    times = to_arrow([made.at for made in many], "timestamp")
    return pa.table({name: columns[name] for name in schema().names}, schema=schema()).append_column(EVENT_TIME, times)


def records_of(table: pa.Table) -> list[PredictionRecord]:
    """The predictions that rows of the table hold, one by one."""
    return [record for row in table.to_pylist() for record in _records(row)]


def _records(row: Mapping[str, Any]) -> list[PredictionRecord]:
    count, said = row["rows"], orjson.loads(row["predictions"])
    each = said if isinstance(said, list) and len(said) == count else [said] * count
    keys, features = (_apart(orjson.loads(row[name]), count) for name in ("keys", "features"))
    facts = {
        "request": row["request"],
        "uri": f"models:/{row['model']}/{row['version']}",
        **{name: row[name] for name in ("role", "view", "source", "method", "latency_ms")},
        "time": to_micros(row[EVENT_TIME]),
    }
    return [
        PredictionRecord(row=place, keys=keys[place], features=features[place], prediction=each[place], **facts)
        for place in range(count)
    ]


def _apart(columns: Mapping[str, Sequence[Any]], count: int) -> list[dict[str, Any]]:
    """Columns as an object a row."""
    if not columns:
        return [{} for _ in range(count)]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _text(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def _texts(many: Sequence[bytes]) -> pa.Array:
    """Texts in UTF-8 as a column. Arrow itself would hold Python's lock for a tenth of a second over some megabytes."""
    import numpy as np
    import pyarrow as pa

    ends = np.cumsum([0, *map(len, many)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(many), pa.py_buffer(ends), pa.py_buffer(b"".join(many)))


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else str(value)
