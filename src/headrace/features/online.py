"""The online state of group versions: writes rows into it, and reads keys from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from headrace.clock import Clock
from headrace.definitions.aggregation import Aggregation
from headrace.definitions.expression import may_fail
from headrace.definitions.schema import arrow_type
from headrace.definitions.source import EventSource
from headrace.definitions.version import GroupVersion
from headrace.engines.engine import Engine
from headrace.errors import InvalidInputError
from headrace.lake.table import BATCH, EVENT_TIME, OFFSET, SEQUENCE
from headrace.online.state import GroupState
from headrace.online.store import AsyncRead, Delta, GroupStatus, OnlineStore, Outcome, Stored

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["OnlineGroups"]

_MINUTE, _DAY = 60_000_000, 86_400_000_000


class OnlineGroups:
    """Group versions in the online store. The same rows applied twice change nothing."""

    def __init__(self, store: OnlineStore, engine: Engine, clock: Clock) -> None:
        self.store = store
        self._engine = engine
        self._clock = clock
        self._states: dict[str, GroupState] = {}
        self._risky: dict[str, list[str]] = {}

    def state(self, version: GroupVersion) -> GroupState:
        """The reader and writer of a group version's states."""
        found = self._states.get(version.id)
        if found is None:
            found = self._states[version.id] = GroupState(version.group)
        return found

    def status(self, version: GroupVersion, generation: str | None = None) -> GroupStatus:
        """What the online values of a group reflect."""
        return self.store.status(version.id, generation)

    def check(self, versions: Sequence[GroupVersion], rows: pa.Table) -> None:
        """Refuse rows that an expression of a group fails on, before they are kept: no group could get past them.

        Raises:
            InvalidInputError: with the group, the expression, the row and the reason.
        """
        self._inputs(versions, _widened(versions, rows))

    def failing(self, versions: Sequence[GroupVersion], rows: pa.Table) -> dict[int, str]:
        """The rows that an expression of a group fails on, each with the reason, in order."""
        risky = [(version, self._may_fail(version)) for version in versions]
        texts = list(dict.fromkeys(sql for _, own in risky for sql in own))
        if not texts:
            return {}
        rows = _widened(versions, rows)
        try:
            self._engine.project(rows, {sql: sql for sql in texts})
        except InvalidInputError:
            pass
        else:
            return {}
        found: dict[int, str] = {}
        for version, own in risky:
            for sql in own:
                flags = self._engine.project(
                    rows, {"failed": f"TRY({{'value': ({sql})}}) IS NULL"}
                )  # a null value isn't null here
                for row in flags.column("failed").to_numpy().nonzero()[0].tolist():
                    found.setdefault(row, f"group {version.id!r} can't use it: {self._reason(rows.slice(row, 1), sql)}")
        return dict(sorted(found.items()))

    def apply(
        self,
        versions: Sequence[GroupVersion],
        partition: int,
        first: int,
        last: int,
        rows: pa.Table,
        statuses: Sequence[GroupStatus] = (),
        generation: str | None = None,
    ) -> list[Outcome]:
        """Bring the rows at offsets first..last of a partition online for groups of one source.

        Args:
            statuses: of each group, as of lately; by them late rows are told.
            generation: the one to write to. Default: each group's current one.

        Raises:
            InvalidInputError: an expression of a group fails on a row that came in before the group was applied.
        """
        rows = _widened(versions, rows)
        states = [self.state(version) for version in versions]
        inputs = self._inputs(versions, rows)
        newest, now = _newest(rows), self._clock()
        deltas = []
        for place, (version, state) in enumerate(zip(versions, states, strict=True)):
            late = _late(version, statuses[place].newest, partition, rows) if statuses else 0
            changes = state.changes(_columns(version, state, rows, inputs), now, partition)
            delta = Delta(version.id, partition, first, last, changes, newest, state.merge(now), late)
            due = now if state.replaces else None
            deltas.append(replace(delta, due=due, keep=_keep(version), generation=generation))
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

    def _may_fail(self, version: GroupVersion) -> list[str]:
        """The expressions of a group that may fail on a row."""
        found = self._risky.get(version.id)
        if found is None:
            texts, schema = self.state(version).inputs.expressions.values(), version.group.source.schema
            found = self._risky[version.id] = [sql for sql in texts if may_fail(sql, schema)]
        return found

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

    def read(self, requests: Sequence[tuple[str, Sequence[bytes | None]]]) -> list[list[Stored]]:
        """The states of (group version id, keys) pairs in one round trip."""
        return self.store.read(requests)

    @property
    def async_read(self) -> AsyncRead | None:
        """The same for coroutines; None if the store has no such way."""
        return self.store.async_read

    def read_with_positions(
        self, requests: Sequence[tuple[str, Sequence[bytes | None]]]
    ) -> tuple[list[list[Stored]], list[tuple[list[Mapping[int, int]], str]]]:
        """As `read`; and for each pair, which offset of each partition each key's state reflects, and the generation."""
        found = self.store.read_with_positions(requests)
        return [states for states, _, _ in found], [(positions, generation) for _, positions, generation in found]


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
    columns |= {name: rows.column(name) for name in (EVENT_TIME, OFFSET, SEQUENCE) if name in rows.column_names}
    columns |= {name: inputs.column(sql) for name, sql in state.inputs.expressions.items()}
    return pa.table(columns)


def _late(version: GroupVersion, newest: int | None, partition: int, rows: pa.Table) -> int:
    """How many streamed events lie further behind the newest one before them than their source's lateness."""
    import pyarrow.compute as pc

    source = version.group.source
    if partition == BATCH or newest is None or not isinstance(source, EventSource):
        return 0
    return int(pc.sum(pc.less(rows.column(EVENT_TIME).cast("int64"), newest - source.lateness_micros)).as_py() or 0)


def _keep(version: GroupVersion) -> int | None:
    """How long a key matters after it was last written: with a ttl nothing older has a value any more. None: for ever.

    Aggregates since the beginning need what is older than the ttl once a new event comes. The time beyond lets a value be told
    as too old before it is told as unknown.
    """
    ttl = version.group.ttl_micros
    values = [feature.value for feature in version.group.resolved]
    windows = [value.window for value in values if isinstance(value, Aggregation)]
    if ttl is None or None in windows:
        return None
    return ttl + max(filter(None, windows), default=0) + max(_MINUTE, min(ttl, _DAY))


def _newest(rows: pa.Table) -> int | None:
    import pyarrow.compute as pc

    newest = pc.max(rows.column(EVENT_TIME)).cast("int64").as_py() if rows.num_rows else None
    return None if newest is None else int(newest)
