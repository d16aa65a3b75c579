"""The sync verb: sends what runs logged while nobody took it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.output import Answer, Table
from headrace.cli.verb import Session, verb
from headrace.errors import HeadraceError, InvalidInputError

if TYPE_CHECKING:
    from headrace.tracking.service import Synced

__all__ = ["sync"]


@verb("sync", "headrace sync", "headrace sync /scratch/job-17", "headrace sync /scratch/job-17 --project http://tracking:5000")
def sync(
    session: Session,
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="A project's folder. Default: the one here.", show_default=False)
    ] = None,
) -> Answer:
    """Send what runs logged offline, or while their server was down. Nothing is sent twice.

    Each run goes to the server, or to the project, that it was logged for; with --project, to that one. Exit with 1 if
    something couldn't be sent.
    """
    from headrace.project import sync_spool

    where = session.folder if folder is None else folder.expanduser()
    if not where.is_dir():
        msg = f"there is no folder {where}; name a project's folder"
        raise InvalidInputError(msg)
    done, failed = [], []
    for path, work in sync_spool(where, session.target):
        try:
            done.append(work())
        except HeadraceError as error:
            failed.append((path, str(error)))
    rows = [(item.folder.parent.name, _words(item)) for item in done] + [(path.parent.name, text) for path, text in failed]
    data = {
        "sent": [{"run_id": item.folder.parent.name, "entries": item.entries, "refused": list(item.refused)} for item in done],
        "failed": [{"run_id": path.parent.name, "error": text} for path, text in failed],
    }
    table = Table(("RUN", "WHAT BECAME OF IT"), rows, empty="nothing waits here")
    return Answer(data, [table], code=1 if failed else 0)


def _words(item: Synced) -> str:
    if item.entries is None:
        return "its process is still at work, or logs for another place"
    refused = f"; {len(item.refused)} refused: {item.refused[0]}" if item.refused else ""
    return f"{item.entries} entries sent{refused}"
