"""The verbs that bring data in: write, push, materialize, backfill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli import reading
from headrace.cli.output import Answer, Table, note
from headrace.cli.verb import Session, verb
from headrace.errors import InvalidInputError
from headrace.progress import bar

if TYPE_CHECKING:
    from headrace.features.ingest import Pushed, Written
    from headrace.features.materialize import Materialized

__all__ = ["backfill", "materialize", "push", "write"]

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="A source of the catalog.")]


@verb("write", "headrace write ratings history.parquet", "headrace write films films.csv --batch-id films-2026-11-01")
def write(
    session: Session,
    source: Source,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", exists=True, help="A Parquet file, a folder of them, or a CSV file with a header.")
    ],
    batch_id: Annotated[
        str | None, typer.Option("--batch-id", help="A name for these rows; repeated, they aren't written again.")
    ] = None,
) -> Answer:
    """Append rows to a source in batch. They go to the lake; `materialize` brings them online."""
    schema = session.store.catalog.source(source).schema
    frame = reading.csv_table(path, schema) if reading.is_csv(path) else str(path)
    done = session.store.write(source, frame, batch_id)
    return Answer(done, [_written(done, batch_id)])


@verb("push", "headrace push ratings events.jsonl", "tail -n +1 -f events.jsonl | headrace push ratings --batch 100")
def push(
    session: Session,
    source: Source,
    path: Annotated[
        str, typer.Argument(metavar="[PATH|-]", help="A file of JSON lines; - for standard input.", show_default=False)
    ] = "-",
    batch: Annotated[int, typer.Option("--batch", min=1, help="How many rows to send at once.")] = 1000,
) -> Answer:
    """Hand over rows in real time: one JSON object a line. Timestamps are RFC 3339 text, bytes are base64.

    When it returns the rows are durable and online features reflect them.
    """
    schema = session.store.catalog.source(source).schema
    total = Total(source)
    with reading.lines(path) as stream, bar() as progress:
        try:
            for part in reading.batches(stream, schema, batch):
                total.add(session.store.push(source, part.rows))
                progress(f"push {source}, up to line {part.last:,}", total.rows, total.rows)
        except InvalidInputError:
            note(f"{total}; the rows after those weren't")
            raise
        except KeyboardInterrupt:
            note(f"{total}; a batch that was under way may be in as well")
            raise
    return Answer(total, [str(total)])


@dataclass
class Total:
    """What the batches of a push came to."""

    source: str
    rows: int = 0
    repeats: int = 0
    quarantined: int = 0
    batches: int = 0

    def add(self, done: Pushed) -> None:
        """Count a batch in."""
        self.rows += done.rows
        self.repeats += done.repeats
        self.quarantined += done.quarantined
        self.batches += 1

    def __str__(self) -> str:
        return f"pushed {self.rows:,} rows to {self.source} in {self.batches:,} batches{_left_out(self)}"


@verb("materialize", "headrace materialize", "headrace materialize user_taste --rebuild")
def materialize(
    session: Session,
    groups: Annotated[
        list[str] | None, typer.Argument(metavar="[GROUP]...", help="Default: every group.", show_default=False)
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="The same as 'headrace backfill'.")] = False,
) -> Answer:
    """Bring online values up to date with what was written since the last time. Resumes where it was stopped."""
    return _materialized(session.store.materialize(groups or None, rebuild=rebuild))


@verb("backfill", "headrace backfill user_taste", "headrace backfill")
def backfill(
    session: Session,
    groups: Annotated[
        list[str] | None, typer.Argument(metavar="[GROUP]...", help="Default: every group.", show_default=False)
    ] = None,
) -> Answer:
    """Build online values anew from all of the lake, while the present ones are served and the stream goes on.

    The new values take the place of the old in one step. A build that was stopped goes on where it was.
    """
    return _materialized(session.store.backfill(groups or None))


def _materialized(done: list[Materialized]) -> Answer:
    rows = [(item.group, item.rows, item.keys) for item in done]
    return Answer(
        done, [Table(("GROUP", "ROWS READ", "KEYS ONLINE"), rows, empty="no groups yet; apply definitions first: headrace apply")]
    )


def _written(done: Written, batch_id: str | None) -> str:
    if done.replayed:
        return f"batch {batch_id!r} had been written to {done.source} before; nothing was written"
    return f"wrote {done.rows:,} rows to {done.source}{_left_out(done)}"


def _left_out(done: Written | Total) -> str:
    repeats = f"; left out {done.repeats:,} whose id had been counted already" if done.repeats else ""
    aside = f"; set aside {done.quarantined:,}, see: headrace features quarantine {done.source}" if done.quarantined else ""
    return repeats + aside
