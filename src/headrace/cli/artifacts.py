"""The verb of artifacts: gc."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.output import Answer, Table
from headrace.cli.values import size
from headrace.cli.verb import Session, verb

__all__ = ["VERBS"]


@verb("gc", "headrace artifacts gc --dry-run", "headrace artifacts gc --older-than 30d")
def collect(
    session: Session,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="Files that were uploaded within this time stay.")
    ] = "7d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing, only show what would be removed.")] = False,
) -> Answer:
    """Remove files that no run, logged model or model version uses; those of deleted runs stay, as they can be restored.

    Unfinished uploads are removed too, when they are as old. Logging may go on meanwhile.
    """
    done = session.store.collect_artifacts(older_than=older_than, dry_run=dry_run)
    columns = ("would go" if dry_run else "removed", "size", "leftovers of uploads", "stay", "size of those")
    row = (done.files, size(done.bytes), size(done.leftovers), done.kept, size(done.kept_bytes))
    return Answer(done, [Table(columns, [row], "")])


VERBS = (collect,)
