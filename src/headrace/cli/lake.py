"""The lake's verbs: list, optimize, vacuum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from headrace.cli.output import Answer, Table
from headrace.cli.values import size
from headrace.cli.verb import Session, verb

__all__ = ["VERBS"]

Tables = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SOURCE]...", help="Sources, or other tables of the lake. Default: all.", show_default=False),
]


@verb("list", "headrace lake list", "headrace lake list ratings --json")
def list_(session: Session, sources: Tables = None) -> Answer:
    """Show the lake's tables: rows, files, versions, and the lanes that rows came through with their highest offsets.

    Lane -1 is what was written in batch, the others are partitions of the event log.
    """
    found = session.store.tables(sources)
    rows = [(item.table, item.rows, item.files, size(item.bytes), item.version + 1, _lanes(item.lanes)) for item in found]
    empty = "no tables yet; bring data in with 'headrace write' or 'headrace push'"
    return Answer(found, [Table(("table", "rows", "files", "size", "versions", "lanes"), rows, empty)])


@verb("optimize", "headrace lake optimize", "headrace lake optimize ratings")
def optimize(session: Session, sources: Tables = None) -> Answer:
    """Merge small files into large ones. Rows don't change; reads and appends go on meanwhile.

    The old files stay, for older versions, until 'headrace lake vacuum'.
    """
    done = session.store.optimize(sources)
    rows = [(item.table, item.merged, item.made, size(item.saved), item.version) for item in done]
    return Answer(done, [Table(("table", "merged", "into", "saved", "version"), rows, "no tables yet")])


@verb("vacuum", "headrace lake vacuum --dry-run", "headrace lake vacuum --older-than 30d")
def vacuum(
    session: Session,
    sources: Tables = None,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="Versions that were current within this time stay readable.")
    ] = "7d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing, only show what would be removed.")] = False,
) -> Answer:
    """Remove files that only old versions use. The newest version, recent ones and those that training sets pin stay.

    Leftovers of failed appends are removed too, when they are as old.
    """
    done = session.store.vacuum(sources, older_than=older_than, dry_run=dry_run)
    rows = [(item.table, item.files, size(item.bytes)) for item in done]
    return Answer(done, [Table(("table", "would go" if dry_run else "removed", "size"), rows, "no tables yet")])


def _lanes(lanes: Mapping[int, int]) -> str:
    shown = [f"{lane}:{offset}" for lane, offset in list(lanes.items())[:4]]
    return " ".join(shown) + (f" … ({len(lanes)})" if len(lanes) > 4 else "")


VERBS = (list_, optimize, vacuum)
