"""A table's Delta log: where it is, how it is opened, and which files it names."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from headrace.lake.place import Place

__all__ = ["DAY", "LOG", "holds", "live_paths", "open_table"]

DAY = "_day"
"""The partition column of every table: the day (UTC) that the rows arrived."""
LOG = "_delta_log"
"""The folder of the log in a table's place."""


def open_table(place: Place, version: int | None = None) -> DeltaTable | None:
    """The table at a place, as it is or was at a version; None if it was never written. Raises TableNotFoundError, DeltaError."""
    if next(place.list(LOG), None) is None:
        return None
    return DeltaTable(place.url, version=version, storage_options=place.options)


def live_paths(table: DeltaTable) -> set[str]:
    """The paths of the files that this version of the table consists of."""
    paths = pa.table(table.get_add_actions()).column("path").to_pylist()
    return {*paths, *map(unquote, paths)}  # however another tool has written them


def holds(table: DeltaTable, files: Sequence[AddAction]) -> bool:
    """Whether these files have been committed to the table: a commit's answer may be lost."""
    return bool(files) and files[0].path in live_paths(table)
