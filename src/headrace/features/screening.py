"""Screening: which of the rows that come in go on, and which don't, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headrace.definitions.expectation_validation import QUARANTINE_COLUMNS
from headrace.definitions.source import EventSource, Source
from headrace.errors import InvalidInputError
from headrace.features.checks import Failure, Holds, broken_rows, failure_of, failures

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["REASONS", "Admitted", "RefusedRowsError", "admit", "admit_first_times", "checked_for_null"]

REASONS = QUARANTINE_COLUMNS[0]
"""The column beside rejected rows: the names of the expectations that each breaks, with '; ' between them."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What came of checking rows.

    Attributes:
        rows: those that go on.
        rejected: those that don't, with the column REASONS; None if all go on.
        broken: expectation to the number of rows that break it.
    """

    rows: pa.Table
    rejected: pa.Table | None = None
    broken: Mapping[str, int] = field(default_factory=dict)

    @property
    def quarantined(self) -> int:
        """How many rows don't go on."""
        return 0 if self.rejected is None else int(self.rejected.num_rows)

    def then(self, later: Admitted) -> Admitted:
        """With what came of checking the rows once more."""
        import pyarrow as pa

        rejected = [table for table in (self.rejected, later.rejected) if table is not None]
        return Admitted(later.rows, pa.concat_tables(rejected) if rejected else None, {**self.broken, **later.broken})


class RefusedRowsError(InvalidInputError):
    """Rows that break what their source expects of every row.

    Attributes:
        broken: expectation to the number of rows that break it.
    """

    def __init__(self, where: str, found: Sequence[Failure]) -> None:
        self.broken = {failure.expectation.name: failure.rows for failure in found}
        count = f"{len(found)} {'expectation is' if len(found) == 1 else 'expectations are'} broken"
        lines = "\n".join(f"  - {failure}" for failure in found)
        way = "mend the rows, or let the source set such rows aside with on_fail='quarantine'"
        super().__init__(f"{where}: {count}; nothing was changed; {way}:\n{lines}")


def admit(source: Source, rows: pa.Table, holds: Holds, *, where: str = "", streamed: bool = False) -> Admitted:
    """The rows that meet what the source expects, and those that don't.

    Args:
        holds: evaluates SQL conditions over rows.
        where: the call that an error names, for example `store.push('ratings')`.
        streamed: the rows are messages: there is nobody to refuse them to, so `reject` sets them aside as well; and where one
            read ends and the next begins means nothing, so `unique` isn't asked (a source's `id` counts each event once).

    Raises:
        RefusedRowsError: rows break an expectation that rejects; it names each, its first bad row and how many there are.
    """
    expected = [item for item in source.expect if not (streamed and item.kind == "unique")]
    found = failures(expected, rows, holds) if expected else []
    return _outcome(rows, found, where, streamed=streamed)


def admit_first_times(source: EventSource, rows: pa.Table, fresh: pa.Table, *, where: str) -> Admitted:
    """Where a source expects its event ids to be unique, ids that were counted before break that; else they are left out.

    Args:
        rows: that were admitted, so that no id is there twice.
        fresh: those of them whose id is new.

    Raises:
        RefusedRowsError: the expectation rejects.
    """
    import pyarrow.compute as pc

    expected = [item for item in source.expect if item.kind == "unique" and item.column == source.id]
    if not expected or fresh.num_rows == rows.num_rows:
        return Admitted(fresh)
    ids = rows.column(source.id)
    known = pc.and_(pc.is_valid(ids), pc.invert(pc.is_in(ids, value_set=fresh.column(source.id).combine_chunks())))
    return _outcome(rows, [failure_of(expected[0], known.to_numpy(), ids)], where)


def checked_for_null(source: Source) -> set[str]:
    """The columns that the source expects not to be null: it refuses or sets aside, and counts, what nobody refuses before."""
    return {item.column for item in source.expect if item.kind == "not_null"}


def _outcome(rows: pa.Table, found: Sequence[Failure], where: str, *, streamed: bool = False) -> Admitted:
    if not found:
        return Admitted(rows)
    refusing = [] if streamed else [failure for failure in found if failure.expectation.on_fail == "reject"]
    if refusing:
        raise RefusedRowsError(where, refusing)
    return _parted(rows, found)


def _parted(rows: pa.Table, found: Sequence[Failure]) -> Admitted:
    import pyarrow as pa

    broken = broken_rows(found)
    rejected = rows.filter(pa.array(broken)).append_column(REASONS, pa.array(_reasons(found, broken), pa.string()))
    return Admitted(rows.filter(pa.array(~broken)), rejected, {failure.expectation.name: failure.rows for failure in found})


def _reasons(found: Sequence[Failure], broken: NDArray[np.bool_]) -> list[str]:
    columns = [(failure.expectation.name, failure.broken[broken].tolist()) for failure in found]
    return ["; ".join(name for name, flags in columns if flags[row]) for row in range(int(broken.sum()))]
