"""What was predicted, of what, by which version; and what came of it: labels for training, and quality while it is served."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import orjson

from headrace.clock import Clock, to_micros
from headrace.errors import InvalidInputError, NotFoundError
from headrace.features.answers import AnswerLog, Together
from headrace.features.frames import queries_of
from headrace.features.values import to_arrow
from headrace.lake.table import AVAILABLE_TIME, EVENT_TIME, LakeUpkeep
from headrace.lineage.store import Edge

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Made", "PredictionRecord", "Predictions", "Role"]

Role = Literal["main", "canary", "shadow"]
_TABLE, _OUTCOMES = "__predictions__.", "__outcomes__"
_URN = "prediction:"
_DAY = 86_400_000_000
_LOOK_BACK = (_DAY, 30 * _DAY, None)
"""Where a request is looked for, the newest first: most questions are about what happened just now."""
_TEXT = ("request", "role", "view", "source", "method", "keys", "features", "prediction")


@dataclass(frozen=True, slots=True)
class Made:
    """The predictions of one request, as the service made them.

    Attributes:
        request: its id.
        model, version: who predicted.
        role: `main`; `canary` for a share of the traffic; `shadow` for a copy whose answer nobody saw.
        view: the view version behind the features; empty if they came with the request.
        source: where the features came from: `request`, `online`, `defaults`, `last_good`.
        method: what was asked of the model.
        keys, features: columns of the request, and what the model was given.
        json: the predictions, a JSON list with a member a row.
        rows: how many.
        at: when, microseconds since 1970.
        seconds: from the request to the answer.
    """

    request: str
    model: str
    version: int
    role: Role
    view: str
    source: str
    method: str
    keys: Mapping[str, Sequence[Any]]
    features: Mapping[str, Sequence[Any]]
    json: bytes
    rows: int
    at: int
    seconds: float


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One row of a kept request.

    Attributes:
        request, row: which; rows count from 0.
        uri: the version that predicted, `models:/name/3`.
        role, view, source, method: as in `Made`.
        keys, features: what was asked, and what the model was given.
        prediction: what it said.
        time: microseconds since 1970.
        latency_ms: from the request to the answer.
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
    def edges(self) -> list[Edge]:
        """What made it: the version, and the view that its features came from."""
        target = f"{_URN}{self.request}"
        view = [Edge(f"view:{self.view}", target, "feeds", self.time)] if self.view else []
        return [Edge(self.uri, target, "shadows" if self.role == "shadow" else "predicts", self.time), *view]


class Predictions:
    """Keeps predictions in the lake, a table for each registered model, and outcomes in one beside them.

    Args:
        log: writes the tables; what comes faster than it can write is dropped and counted.
        lake: says which tables there are.
    """

    def __init__(self, log: AnswerLog, lake: LakeUpkeep, clock: Clock) -> None:
        self._log = log
        self._lake = lake
        self._clock = clock

    def keep(self, made: Made) -> None:
        """Take predictions to be written soon. Never waits."""
        self._log.offer(_table(made.model), made.rows, Together(_rows, made))

    @property
    def dropped(self) -> int:
        """Rows that came faster than they could be written, here and now."""
        return self._log.dropped

    def read(self, model: str, since: Any = None) -> pd.DataFrame:
        """The predictions of a model, newest first, with the outcome of each where it is known.

        Columns: `request`, `row`, `version`, `role`, `view`, `source`, `method`, `timestamp`, `latency_ms`, the keys, the
        features, `prediction`, `outcome`, `outcome_at`. Predictions reach the lake within half a minute.

        Args:
            model: a registered model.
            since: a datetime; only those at or after it. Default: all.
        """
        import pandas as pd

        table = self._read(model, None if since is None else to_micros(since))
        shown = ("request", "row", "version", *_TEXT[1:5], "latency_ms")
        frame = pd.DataFrame({name: table.column(name).to_pandas() for name in shown})
        frame["timestamp"] = table.column(EVENT_TIME).to_pandas()
        for name in ("keys", "features"):
            given = pd.DataFrame([orjson.loads(text) for text in table.column(name).to_pylist()], index=frame.index)
            frame = pd.concat([frame, given.drop(columns=[column for column in given if column in frame])], axis=1)
        frame["prediction"] = [orjson.loads(text) for text in table.column("prediction").to_pylist()]
        told = self._outcomes()
        pairs = list(zip(frame["request"], frame["row"], strict=True))
        frame["outcome"] = pd.Series([told.get(pair, (None, None))[0] for pair in pairs], index=frame.index).infer_objects()
        frame["outcome_at"] = pd.to_datetime([told.get(pair, (None, None))[1] for pair in pairs], utc=True)
        return frame.sort_values(["timestamp", "request", "row"], ascending=[False, True, True], ignore_index=True)

    def labels(self, model: str, since: Any = None) -> pd.DataFrame:
        """What a training set is made of: the keys, `timestamp` and `outcome` of predictions whose outcome is known.

        Each row asks about the moment of its prediction, so features are those that the model saw:
        `store.training_set("ranking", store.predictions.labels("ranker"), label="outcome")`.
        """
        known = self.read(model, since)
        known = known[known["outcome"].notna() & (known["role"] != "shadow")]
        keys = list(dict.fromkeys(key for record in self._read(model).column("keys").to_pylist() for key in orjson.loads(record)))
        return known[[*keys, "timestamp", "outcome"]].reset_index(drop=True)

    def quality(self, model: str, metrics: Sequence[str], since: Any = None) -> pd.DataFrame:
        """The quality of each version while it was served, in a row: `version`, `role`, `rows`, and a column a metric.

        Args:
            metrics: as `store.models.evaluate` takes them: auc, log_loss, accuracy, f1, rmse, mae, …

        Raises:
            InvalidInputError: a metric can't be computed of these predictions.
        """
        import numpy as np
        import pandas as pd

        from headrace.models.evaluation import figures

        frame = self.read(model, since)
        frame = frame[frame["outcome"].notna()]
        found = []
        for (version, role), rows in frame.groupby(["version", "role"]):
            truth = np.array(rows["outcome"].tolist())
            said = np.array(rows["prediction"].tolist())
            found.append({"version": version, "role": role, "rows": len(rows), **figures(truth, said, metrics)})
        return pd.DataFrame(found, columns=["version", "role", "rows", *metrics])

    def record_outcomes(self, frame: Any) -> int:
        """Keep what came of predictions; durable when it returns. Said twice, the later one counts. Returns how many.

        Args:
            frame: `request`, the request's id; `outcome`, what came of it; perhaps `row`, the row of the request, default 0; and
                `timestamp`, when that was known, default now.

        Raises:
            InvalidInputError: a column is missing, or a row has no request. Nothing was kept.
        """
        import pyarrow as pa

        table = queries_of(frame)[0]
        lacking = [name for name in ("request", "outcome") if name not in table.column_names]
        if lacking:
            msg = f"outcomes lack the column {lacking[0]!r}; give 'request', 'outcome', and perhaps 'row' and 'timestamp'"
            raise InvalidInputError(msg)
        requests, count = table.column("request").to_pylist(), int(table.num_rows)
        if not all(isinstance(request, str) and request for request in requests):
            msg = "each outcome needs the id of its request, as the service gave it: text, in the column 'request'"
            raise InvalidInputError(msg)
        columns = {
            "request": pa.array(requests, pa.string()),
            "row": _whole(table, count),
            "outcome": pa.array(
                [orjson.dumps(value, default=str).decode() for value in table.column("outcome").to_pylist()], pa.string()
            ),
            EVENT_TIME: to_arrow(_moments(table, self._clock()), "timestamp"),
        }
        if count:
            self._log.write(_OUTCOMES, pa.table(columns))
        return count

    def find(self, request: str) -> list[PredictionRecord]:
        """The rows of a request, those of shadows last. Raises NotFoundError if nothing of that id was kept."""
        for back in _LOOK_BACK:
            since = None if back is None else self._clock() - back
            found = [record for table in self._tables() for record in self._of(table, request, since)]
            if found:
                return sorted(found, key=lambda record: (record.role == "shadow", record.uri, record.row))
        msg = f"no prediction of a request {request!r} was kept; predictions reach the lake within half a minute"
        raise NotFoundError(msg)

    def newest(
        self, model: str, limit: int = 100, *, until: int | None = None, version: int | None = None, role: str | None = None
    ) -> list[PredictionRecord]:
        """The newest rows of a model's predictions, newest first.

        Args:
            until: microseconds since 1970; only those of this moment and before. Default: all.
            version, role: of these alone.
        """
        import pyarrow.compute as pc

        found: list[PredictionRecord] = []
        for back in _LOOK_BACK:
            since = None if back is None else (self._clock() if until is None else until) - back
            rows = self._read(model, since)
            for name, value in (("version", version), ("role", role)):
                if value is not None:
                    rows = rows.filter(pc.equal(rows.column(name), value))
            if until is not None:
                rows = rows.filter(pc.less_equal(rows.column(EVENT_TIME), to_arrow([until], "timestamp")[0]))
            order = [(EVENT_TIME, "descending"), ("request", "ascending"), ("row", "ascending")]
            found = [_record(row) for row in rows.sort_by(order).slice(0, limit).to_pylist()]
            if len(found) >= limit:
                break
        return found

    def outcomes(self, records: Sequence[PredictionRecord]) -> dict[tuple[str, int], tuple[Any, Any]]:
        """What came of these predictions: (request, row) to the outcome and the moment when it was known."""
        wanted = {(record.request, record.row) for record in records}
        return {row: told for row, told in self._outcomes().items() if row in wanted} if wanted else {}

    def edges(self, urn: str) -> list[Edge]:
        """What made the prediction that a URN names, `prediction:REQUEST`; nothing if it isn't there."""
        try:
            return list(dict.fromkeys(edge for record in self.find(urn.removeprefix(_URN)) for edge in record.edges))
        except NotFoundError:
            return []

    def _tables(self) -> list[str]:
        self._log.flush()
        return [name for name in self._lake.tables() if name.startswith(_TABLE)]

    def _read(self, model: str, since: int | None = None) -> pa.Table:
        self._log.flush()
        return self._log.read(_table(model), _schema(), since)

    def _of(self, table: str, request: str, since: int | None) -> list[PredictionRecord]:
        import pyarrow.compute as pc

        rows = self._log.read(table, _schema(), since)
        rows = rows.filter(pc.equal(rows.column("request"), request))
        return [_record(row) for row in rows.to_pylist()]

    def _outcomes(self) -> dict[tuple[str, int], tuple[Any, Any]]:
        table = self._log.read(_OUTCOMES, _outcome_schema()).sort_by(AVAILABLE_TIME)
        columns = [table.column(name).to_pylist() for name in ("request", "row", "outcome", EVENT_TIME)]
        return {(request, row): (orjson.loads(text), time) for request, row, text, time in zip(*columns, strict=True)}


def _table(model: str) -> str:
    plain = re.fullmatch(r"[\w.-]{1,100}", model, re.ASCII)
    return _TABLE + (model if plain else "~" + sha256(model.encode()).hexdigest()[:32])


def _schema() -> pa.Schema:
    import pyarrow as pa

    texts = [(name, pa.string()) for name in _TEXT]
    return pa.schema([("model", pa.string()), ("version", pa.int32()), ("row", pa.int32()), *texts, ("latency_ms", pa.float64())])


def _outcome_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([("request", pa.string()), ("row", pa.int32()), ("outcome", pa.string())])


def _rows(many: Sequence[Made]) -> pa.Table:
    import pyarrow as pa

    schema = _schema()
    columns: dict[str, list[Any]] = {name: [] for name in (*schema.names, EVENT_TIME)}
    for made in many:
        count, said = made.rows, orjson.loads(made.json)
        each = said if isinstance(said, list) and len(said) == count else [said] * count
        for name in ("model", "version", "request", "role", "view", "source", "method"):
            columns[name] += [getattr(made, name)] * count
        columns["row"] += range(count)
        columns["keys"] += _objects(made.keys, count)
        columns["features"] += _objects(made.features, count)
        columns["prediction"] += map(_text, each)
        columns["latency_ms"] += [made.seconds * 1000] * count
        columns[EVENT_TIME] += [made.at] * count
    times = to_arrow(columns.pop(EVENT_TIME), "timestamp")
    return pa.table(columns, schema=schema).append_column(EVENT_TIME, times)


def _objects(columns: Mapping[str, Sequence[Any]], count: int) -> list[str]:
    names = list(columns)
    if not names:
        return ["{}"] * count
    return [_text(dict(zip(names, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def _text(value: Any) -> str:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _record(row: Mapping[str, Any]) -> PredictionRecord:
    return PredictionRecord(
        request=row["request"],
        row=row["row"],
        uri=f"models:/{row['model']}/{row['version']}",
        role=row["role"],
        view=row["view"],
        source=row["source"],
        method=row["method"],
        keys=orjson.loads(row["keys"]),
        features=orjson.loads(row["features"]),
        prediction=orjson.loads(row["prediction"]),
        time=to_micros(row[EVENT_TIME]),
        latency_ms=row["latency_ms"],
    )


def _whole(table: pa.Table, count: int) -> pa.Array:
    import pyarrow as pa

    if "row" not in table.column_names:
        return pa.array([0] * count, pa.int32())
    try:
        return table.column("row").combine_chunks().cast(pa.int32())
    except pa.ArrowInvalid as error:
        msg = f"'row' must be the number of a row within its request, from 0: {error}"
        raise InvalidInputError(msg) from error


def _moments(table: pa.Table, now: int) -> list[int]:
    if "timestamp" not in table.column_names:
        return [now] * table.num_rows
    return [to_micros(value) for value in table.column("timestamp").to_pylist()]
