"""Takes in what writers of runs send."""

from __future__ import annotations

from typing import Any

from headrace.errors import InvalidInputError
from headrace.server.endpoint import Endpoint
from headrace.server.native.exchange import Task, quick
from headrace.wire.problems import error_to

__all__ = ["TRACKING_JOURNAL"]

_LONGEST_NAME = 64


def _append(task: Task) -> Any:
    """Keep numbered entries of a writer of a run; what came before is skipped, so it may be sent again."""
    asked = task.arguments
    if not 0 < len(asked["writer"]) <= _LONGEST_NAME:
        msg = f"a writer has a name of 1 to {_LONGEST_NAME} characters"
        raise InvalidInputError(msg)
    for entry in asked["entries"]:
        if not isinstance(entry, list) or len(entry) != 3 or type(entry[0]) is not int or not isinstance(entry[1], str):
            msg = "an entry is a number, a kind and its content"
            raise InvalidInputError(msg)
        if not 0 < entry[0] < 2**63:
            msg = f"a writer numbers its entries from 1 on, not {entry[0]}"
            raise InvalidInputError(msg)
    receipt = task.store.runs.sink.append(asked["run_id"], asked["writer"], asked["entries"])
    return {"seq": receipt.seq, "refused": [[seq, error_to(error)] for seq, error in receipt.refused]}


TRACKING_JOURNAL = (
    Endpoint(
        "POST",
        "/api/v1/store/tracking/append",
        "runs:write",
        quick(_append, {"run_id": str, "writer": str, "entries": list}),
    ),
)
"""The route of what runs log."""
