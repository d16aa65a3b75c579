"""Runs side by side."""

from __future__ import annotations

from headrace.errors import InvalidInputError
from headrace.server.endpoint import Operation
from headrace.server.http import Call, Reply, json_reply
from headrace.server.schema import Content, Field, Record

__all__ = ["COMPARE"]

MOST_RUNS = 100

_ASKED = Record(
    "RunComparisonQuery",
    {
        "runs": Field(f"Ids of two runs or more, at most {MOST_RUNS}.", ("array",), required=True, of=Field("An id.")),
        "best_of": Field(
            "A metric: tell also what every metric was at the step where this one was best. `auc:max` says which way is "
            "best; else that is guessed by its name.",
            default="",
        ),
    },
)
_ROW = Record(
    "RunComparisonRow",
    {
        "section": Field("run, params, metrics, tags, code, datasets, environment or packages."),
        "key": Field("What is compared; of a metric also `auc (lowest)`, `auc (highest)`, `auc (at best loss)`."),
        "values": Field("What it is in each run; null in a run that has none.", ("array",), of=Field("A text.", nullable=True)),
        "differs": Field("Whether the runs don't all say the same.", ("boolean",)),
    },
    whole=True,
)
_FOUND = Record(
    "RunComparison",
    {
        "runs": Field("Ids, in the order that was asked for.", ("array",), of=Field("An id.")),
        "names": Field("Their names.", ("array",), of=Field("A name.")),
        "rows": Field("Section by section.", ("array",), of=_ROW),
    },
    whole=True,
)


def _compare(call: Call) -> Reply:
    """Runs side by side: what each was, its params, metrics, tags, code, data, environment and packages, and what differs."""
    asked = _ASKED.read(call.json())
    runs = asked["runs"]
    if not 2 <= len(runs) <= MOST_RUNS or not all(isinstance(run, str) for run in runs):
        msg = f"give the ids of 2 to {MOST_RUNS} runs, as texts"
        raise InvalidInputError(msg)
    found = call.store.runs.compare(*runs, best_of=asked["best_of"])
    rows = [{"section": row.section, "key": row.key, "values": row.values, "differs": row.differs} for row in found.rows]
    return json_reply({"runs": [run.id for run in found.runs], "names": [run.name for run in found.runs], "rows": rows})


COMPARE = Operation(_compare, takes=(Content(record=_ASKED),), gives=(Content(record=_FOUND),))
