"""What was deleted long ago, and the files that nothing names: removed for good, for the app."""

from __future__ import annotations

from datetime import timedelta

from headrace.definitions.plain import plain
from headrace.errors import InvalidInputError
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.http import Call, Reply, json_reply
from headrace.server.schema import Content, Field, Record

__all__ = ["ENDPOINTS"]

MOST_DAYS = 36_500
LEAST_DAYS = 0.0417
"""An hour: whoever has kept a file just now is about to name it."""

_ASKED = Record(
    "Retention",
    {
        "days": Field("What was deleted, or handed in, within so many days stays; an hour at least.", ("number",), required=True),
        "dry_run": Field("Only tell what would go.", ("boolean",), default=True),
    },
)
_DONE = Record(
    "Retained",
    {
        "runs": Field("Deleted runs removed.", ("integer",)),
        "experiments": Field("Deleted experiments removed; their names are free.", ("integer",)),
        "kept": Field("Deleted runs as old that stay: others stand on them.", ("integer",)),
        "files": Field("Files removed that nothing names. A dry run counts none of the runs that would go.", ("integer",)),
        "bytes": Field("Their size.", ("integer",)),
        "leftovers": Field("Bytes of uploads that never ended.", ("integer",)),
        "files_kept": Field("Files that stay.", ("integer",)),
        "bytes_kept": Field("Their size.", ("integer",)),
    },
    whole=True,
)


def _retain(call: Call) -> Reply:
    """Remove deleted runs and experiments for good, then the files that nothing names any more."""
    asked = _ASKED.read(call.json())
    if not LEAST_DAYS <= asked["days"] <= MOST_DAYS:
        msg = f"days must be 0.0417 (an hour) to {MOST_DAYS}, not {asked['days']}"
        raise InvalidInputError(msg)
    age, dry_run = timedelta(days=asked["days"]), asked["dry_run"]
    purged = call.store.runs.purge(older_than=age, dry_run=dry_run)
    swept = call.store.collect_artifacts(older_than=age, dry_run=dry_run)
    files = {"files": swept.files, "bytes": swept.bytes, "leftovers": swept.leftovers}
    return json_reply({**plain(purged), **files, "files_kept": swept.kept, "bytes_kept": swept.kept_bytes})


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/v1/retention",
        "runs:purge",
        Operation(_retain, takes=(Content(record=_ASKED),), gives=(Content(record=_DONE),)),
    ),
)
"""The routes."""
