"""The online state of group versions: writes rows into it, and reads keys from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from headrace.clock import Clock
from headrace.definitions.schema import arrow_type
from headrace.definitions.source import EventSource
from headrace.definitions.version import GroupVersion
from headrace.engines.engine import Engine
from headrace.errors import InvalidInputError
from headrace.lake.table import BATCH, EVENT_TIME, OFFSET
from headrace.online.state import GroupState
from headrace.online.store import Delta, OnlineStore

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["OnlineGroups", "Outcome"]

Outcome = Literal["applied", "skipped", "overlaps"]


class OnlineGroups:
    """Group versions in the online store. The same rows applied twice change nothing."""

    def __init__(self, store: OnlineStore, engine: Engine, clock: Clock) -> None:
        self.store = store
        self._engine = engine
        self._clock = clock
        self._states: dict[str, GroupState] = {}

    def state(self, version: GroupVersion) -> GroupState:
        """The reader and writer of a group version's states."""
        found = self._states.get(version.id)
        if found is None:
            found = self._states[version.id] = GroupState(version.group)
        return found

    def applied(self, version: GroupVersion) -> dict[int, int]:
        """Partition to the highest offset that the online values reflect."""
        return self.store.applied(version.id)

    def check(self, versions: Sequence[GroupVersion], rows: pa.Table) -> None:
        """Refuse rows that an expression of a group fails on, before they are kept: no group could get past them.

        Raises:
            InvalidInputError: with the group, the expression, the row and the reason.
        """
        self._inputs(versions, _widened(versions, rows))

    def apply(self, versions: Sequence[GroupVersion], partition: int, first: int, last: int, rows: pa.Table) -> list[Outcome]:
        """Bring the rows at offsets first..last of a partition online for groups of one source, in one atomic step.

        Raises:
            InvalidInputError: an expression of a group fails on a row that came in before the group was applied.
        """
        rows = _widened(versions, rows)
        states = [self.state(version) for version in versions]
        inputs = self._inputs(versions, rows)
        newest, now = _newest(rows), self._clock()
        deltas = []
        for version, state in zip(versions, states, strict=True):
            late = self._late(version, partition, rows)
            changes = state.changes(_columns(version, state, rows, inputs), now, partition)
            deltas.append(Delta(version.id, partition, first, last, changes, newest, state.merge(now), late))
        return self.store.apply(deltas)

    def _inputs(self, versions: Sequence[GroupVersion], rows: pa.Table) -> pa.Table:
        """Every expression of the groups for each row, in columns named by their SQL."""
        texts = list(dict.fromkeys(sql for version in versions for sql in self.state(version).inputs.expressions.values()))
        if not texts:
            return rows.select([])
        try:
            return self._engine.project(rows, {sql: sql for sql in texts})
        except InvalidInputError as error:
            raise self._explained(versions, rows) or error from error

    def _explained(self, versions: Sequence[GroupVersion], rows: pa.Table) -> InvalidInputError | None:
        """The error that names the first feature whose expression fails, and on which row."""
        for version in versions:
            inputs = self.state(version).inputs
            for item in inputs.features:
                for column in filter(None, (item.argument, item.where)):
                    found = self._failure(rows, inputs.expressions[column])
                    if found is not None:
                        row, reason = found
                        msg = (
                            f"group {version.id!r}, feature {item.feature.name!r}, row {row}: {reason}. Mend the row, or write "
                            "the expression so that it fails on no row, for example with TRY_CAST(…) or TRY(…)"
                        )
                        return InvalidInputError(msg)
        return None

    def _failure(self, rows: pa.Table, sql: str) -> tuple[int, str] | None:
        """The first row that an expression fails on, found by halving, and the reason; None if it fails on none."""
        low, high, reason = 0, rows.num_rows, self._reason(rows, sql)
        if reason is None:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            found = self._reason(rows.slice(low, middle - low), sql)
            low, high, reason = (middle, high, reason) if found is None else (low, middle, found)
        return low, reason

    def _reason(self, rows: pa.Table, sql: str) -> str | None:
        try:
            self._engine.project(rows, {sql: sql})
        except InvalidInputError as error:
            return str(error)
        return None

    def _late(self, version: GroupVersion, partition: int, rows: pa.Table) -> int:
        """How many pushed events lie further behind the newest one before them than their source's lateness."""
        import pyarrow.compute as pc

        source, newest = version.group.source, self.store.newest(version.id)
        if partition == BATCH or newest is None or not isinstance(source, EventSource):
            return 0
        return int(pc.sum(pc.less(rows.column(EVENT_TIME).cast("int64"), newest - source.lateness_micros)).as_py() or 0)

    def mark(self, version: GroupVersion, partition: int, last: int) -> None:
        """Note that a partition holds nothing for the group up to an offset."""
        applied = self.applied(version).get(partition, -1)
        if last > applied:
            delta = Delta(version.id, partition, applied + 1, last, {}, None, self.state(version).merge(self._clock()))
            self.store.apply([delta])

    def read(self, requests: Sequence[tuple[str, Sequence[bytes | None]]]) -> list[list[bytes | None]]:
        """The states of (group version id, keys) pairs in one round trip."""
        return self.store.read(requests)


def _widened(versions: Sequence[GroupVersion], rows: pa.Table) -> pa.Table:
    """The rows with a column of nulls for each that a superseded group reads and that the source has dropped since."""
    import pyarrow as pa

    for version in versions:
        for name, kind in version.group.source.schema.items():
            if name not in rows.column_names:
                rows = rows.append_column(name, pa.nulls(rows.num_rows, arrow_type(kind)))
    return rows


def _columns(version: GroupVersion, state: GroupState, rows: pa.Table, inputs: pa.Table) -> pa.Table:
    import pyarrow as pa

    columns = {key: rows.column(column) for key, column in version.group.key_columns.items()}
    columns |= {EVENT_TIME: rows.column(EVENT_TIME), OFFSET: rows.column(OFFSET)}
    columns |= {name: inputs.column(sql) for name, sql in state.inputs.expressions.items()}
    return pa.table(columns)


def _newest(rows: pa.Table) -> int | None:
    import pyarrow.compute as pc

    newest = pc.max(rows.column(EVENT_TIME)).cast("int64").as_py() if rows.num_rows else None
    return None if newest is None else int(newest)
