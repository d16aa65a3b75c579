"""Predictions and their outcomes: labels for training, and the quality of each version while it is served."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson

from headrace.arguments import checked
from headrace.clock import Clock, from_micros, to_micros
from headrace.errors import InvalidInputError, NotFoundError
from headrace.features.answers import DROPPED, AnswerLog, Together
from headrace.features.frames import queries_of
from headrace.features.values import to_arrow
from headrace.lake.table import AVAILABLE_TIME, EVENT_TIME, OFFSET
from headrace.serving.prediction_rows import URN, Answering, Made, PredictionRecord, records_of, rows_of, schema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from headrace.lineage.store import Edge

__all__ = ["OUTCOMES", "TABLE", "Answering", "Made", "PredictionRecord", "Predictions", "outcome_schema"]

TABLE, OUTCOMES = "__predictions__.", "__outcomes__"
"""How the tables of predictions begin, and where outcomes are."""
_DAY = 86_400_000_000
_LOOK_BACK = (_DAY, 30 * _DAY, None)
"""Where a request is looked for, the newest first: most questions are about what happened just now."""
_ROW_BYTES = 1000
"""Bytes that take the room of a row while they wait to be written."""
_FACTS = ("request", "row", "version", "role", "view", "source", "method", "latency_ms")


@checked()
class Predictions:
    """Keeps predictions in the lake, a table for each registered model, and outcomes in one beside them.

    Args:
        log: writes the tables; what comes faster than it can write is dropped and counted.
    """

    def __init__(self, log: AnswerLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def keep(self, made: Made) -> None:
        """Take predictions to be written soon. Never waits."""
        room = 1 + (len(made.keys) + len(made.asked) + len(made.json)) // _ROW_BYTES
        self._log.offer(_table(made.model), made.rows, Together(rows_of, made), room)

    def close(self) -> None:
        """Write what waits, and take no more."""
        self._log.close()

    @property
    def dropped(self) -> int:
        """Rows that came faster than they could be written, here and now."""
        return self._log.dropped

    def read(self, model: str, since: Any = None) -> pd.DataFrame:
        """The predictions of a model, newest first, each with its outcome if that is known.

        Columns: `request`, `row`, `version`, `role`, `view`, `source`, `method`, `timestamp`, `latency_ms`, the keys, the
        features, `prediction`, `outcome`, `outcome_at`. Predictions reach the lake within half a minute.

        Args:
            model: a registered model.
            since: a datetime; only those at or after it. Default: all.
        """
        import pandas as pd

        records = self._records(model, since)
        frame = pd.DataFrame({name: [getattr(record, name) for record in records] for name in _FACTS})
        frame["timestamp"] = pd.to_datetime([from_micros(record.time) for record in records], utc=True)
        keys = {key: _exact([record.keys.get(key) for record in records]) for key in _keys_of(records)}
        features = pd.DataFrame([record.features for record in records], index=frame.index)
        for given in (pd.DataFrame(keys, index=frame.index), features):
            frame = pd.concat([frame, given.drop(columns=[column for column in given if column in frame])], axis=1)
        frame["prediction"] = pd.Series(
            [record.prediction for record in records], index=frame.index, dtype=object
        ).infer_objects()
        told = self._outcomes()
        found = [told.get((record.request, record.row), (None, None)) for record in records]
        frame["outcome"] = pd.Series([outcome for outcome, _ in found], index=frame.index, dtype=object).infer_objects()
        frame["outcome_at"] = pd.to_datetime([moment for _, moment in found], utc=True)
        return frame.sort_values(["timestamp", "request", "row"], ascending=[False, True, True], ignore_index=True)

    def labels(self, model: str, since: Any = None) -> pd.DataFrame:
        """Labels for a training set: the keys, `timestamp` and `outcome` of predictions whose outcome is known.

        Predictions of rows that came with their features instead of keys aren't among them: they have no history. Each row has
        the moment of its prediction, so its features are those that the model saw:
        `store.training_set("ranking", store.predictions.labels("ranker"), label="outcome")`.
        """
        known = self.read(model, since)
        known = known[known["outcome"].notna() & (known["role"] != "shadow")]
        known = known[known["source"] != "request"]
        keys = _keys_of(self._records(model, since))
        return known[[*keys, "timestamp", "outcome"]].infer_objects().reset_index(drop=True)

    def quality(self, model: str, metrics: Sequence[str], since: Any = None) -> pd.DataFrame:
        """The quality of each version while it was served, one row each: `version`, `role`, `rows`, and a column per metric.

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
        """Keep the outcomes of predictions; they are durable when it returns. Of two for one row the later counts.

        Args:
            frame: columns `request`, the id of the request, and `outcome`; optional are `row`, the row in the request (default
                0), and `timestamp`, when the outcome was known (default now).

        Returns:
            How many were kept.

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
            self._log.write(OUTCOMES, pa.table(columns))
        return count

    def find(self, request: str) -> list[PredictionRecord]:
        """The predictions of a request, those of shadows last. Raises NotFoundError if none were kept."""
        for back in _LOOK_BACK:
            since = None if back is None else self._clock() - back
            rows = [self._log.read(table, schema(), since, request) for table in self._log.names(TABLE)]
            found = [record for table in rows for record in records_of(table)]
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
            version, role: only those of this version and role.
        """
        import pyarrow.compute as pc

        found: list[PredictionRecord] = []
        for back in _LOOK_BACK:
            since = None if back is None else (self._clock() if until is None else until) - back
            rows = self._log.read(_table(model), schema(), since)
            for name, value in (("version", version), ("role", role)):
                if value is not None:
                    rows = rows.filter(pc.equal(rows.column(name), value))
            if until is not None:
                rows = rows.filter(pc.less_equal(rows.column(EVENT_TIME), to_arrow([until], "timestamp")[0]))
            order = [(EVENT_TIME, "descending"), ("request", "ascending")]
            found = records_of(rows.sort_by(order).slice(0, limit))[:limit]  # a request has a row at least
            if len(found) >= limit:
                break
        return found

    def serving(self, model: str, since: int) -> list[Answering]:
        """The versions that answered since a moment (microseconds since 1970), the latest first."""
        import pyarrow as pa
        import pyarrow.compute as pc

        columns = pa.schema([field for field in schema() if field.name in ("version", "role", "rows")])
        rows = self._log.read(_table(model), columns, since)
        totals = rows.group_by(["version", "role"]).aggregate([("rows", "sum"), (EVENT_TIME, "max")])
        times = pc.cast(totals.column(f"{EVENT_TIME}_max"), pa.int64()).to_pylist()
        facts = zip(*(totals.column(name).to_pylist() for name in ("version", "role", "rows_sum")), times, strict=True)
        return sorted((Answering(model, *each) for each in facts), key=lambda each: -each.last)

    def outcomes(self, records: Sequence[PredictionRecord]) -> dict[tuple[str, int], tuple[Any, Any]]:
        """The outcomes of these predictions: (request, row) to the outcome and the moment when it was known."""
        wanted = {(record.request, record.row) for record in records}
        return {row: told for row, told in self._outcomes().items() if row in wanted} if wanted else {}

    def take(self, table: str, rows: pa.Table, lane: int) -> None:
        """Append rows from a service elsewhere, sent by a remote store's `Predictions`. Their time is that of their arrival here.

        Raises:
            InvalidInputError: no such table holds predictions or outcomes, or the rows aren't its.
        """
        import pyarrow as pa

        columns = [*_schema_of(table).names, DROPPED, EVENT_TIME, AVAILABLE_TIME, OFFSET]
        if sorted(rows.column_names) != sorted(columns) or not 0 <= lane < 1 << 31:
            msg = f"rows of {table!r} have the columns {', '.join(columns)}, and a lane from 0 to {(1 << 31) - 1}"
            raise InvalidInputError(msg)
        moments = pa.array([self._clock()] * rows.num_rows).cast(pa.timestamp("us", tz="UTC"))
        self._log.tables.append(table, rows.set_column(rows.column_names.index(AVAILABLE_TIME), AVAILABLE_TIME, moments), lane)

    def kept(self, table: str, since: int | None = None, request: str | None = None) -> pa.Table:
        """The rows of a table of predictions or outcomes, as they are kept. Raises InvalidInputError."""
        return self._log.read(table, _schema_of(table), since, request)

    def tables(self, beginning: str = TABLE) -> list[str]:
        """The tables of predictions whose name begins so."""
        return [name for name in self._log.names(TABLE) if name.startswith(beginning)]

    def edges(self, urn: str) -> list[Edge]:
        """What made the prediction that a URN names, `prediction:REQUEST`; nothing if it isn't there."""
        try:
            return list(dict.fromkeys(edge for record in self.find(urn.removeprefix(URN)) for edge in record.edges))
        except NotFoundError:
            return []

    def _records(self, model: str, since: Any = None) -> list[PredictionRecord]:
        return records_of(self._log.read(_table(model), schema(), None if since is None else to_micros(since)))

    def _outcomes(self) -> dict[tuple[str, int], tuple[Any, Any]]:
        table = self._log.read(OUTCOMES, outcome_schema()).sort_by(AVAILABLE_TIME)
        columns = [table.column(name).to_pylist() for name in ("request", "row", "outcome", EVENT_TIME)]
        return {(request, row): (orjson.loads(text), time) for request, row, text, time in zip(*columns, strict=True)}


def outcome_schema() -> pa.Schema:
    """The columns of the table of outcomes."""
    import pyarrow as pa

    return pa.schema([("request", pa.string()), ("row", pa.int32()), ("outcome", pa.string())])


def _keys_of(records: Sequence[PredictionRecord]) -> list[str]:
    return list(dict.fromkeys(key for record in records for key in record.keys))


def _exact(values: list[Any]) -> pd.Series[Any]:
    """A column in which a gap doesn't make floats of the whole numbers, which are ids."""
    import pandas as pd

    column = pd.Series(values, dtype=object)
    return column if None in values else column.infer_objects()


def _schema_of(table: str) -> pa.Schema:
    if table == OUTCOMES:
        return outcome_schema()
    if re.fullmatch(r"__predictions__\.~?[\w.-]{1,100}", table, re.ASCII):
        return schema()
    msg = f"{table!r} holds neither predictions nor outcomes"
    raise InvalidInputError(msg)


def _table(model: str) -> str:
    plain = re.fullmatch(r"[\w.-]{1,100}", model, re.ASCII)
    return TABLE + (model if plain else "~" + sha256(model.encode()).hexdigest()[:32])


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
