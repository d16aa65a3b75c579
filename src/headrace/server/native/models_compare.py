"""Two versions side by side, the reports of past decisions, and what a model predicted, for the app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.clock import isoformat, to_micros
from headrace.definitions.plain import parse_time, plain
from headrace.errors import InvalidInputError
from headrace.models.gates import GateReport
from headrace.server.columns import dumps
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.http import JSON, Call, Reply
from headrace.server.native.models import REPORT, told_report
from headrace.server.schema import Content, Field, Record, read_query

if TYPE_CHECKING:
    from headrace.serving.predictions import PredictionRecord

__all__ = ["ENDPOINTS"]

MOST_PREDICTIONS = 1000
_SELECTOR = "A version: a number, `@alias`, a stage or `latest`."
_COMPARE_QUERY = {"a": Field(_SELECTOR, required=True), "b": Field(_SELECTOR, default="@champion")}
_LINE = Record(
    "ModelDifference",
    {
        "section": Field("figures on …, metrics as logged, params, data, code, packages, environment or model."),
        "name": Field("What is compared."),
        "a": Field("Its value in the first version; `-` for none."),
        "b": Field("Its value in the second."),
        "change": Field("b minus a, of numbers.", ("number", "string"), nullable=True),
        "differs": Field("Whether the two aren't the same.", ("boolean",)),
        "better": Field("Whether b is the better one, where that is known.", ("boolean",), nullable=True),
    },
    whole=True,
)
_COMPARISON = Record(
    "ModelComparison",
    {
        "name": Field("The model."),
        "a": Field("The first version.", ("integer",)),
        "b": Field("The second.", ("integer",)),
        "lines": Field("Figures on common data first.", ("array",), of=_LINE),
    },
    whole=True,
)
_DECISION = Record(
    "GateDecision",
    {
        "seq": Field("Its place in the model's history.", ("integer",)),
        "action": Field("promote, or refuse."),
        "user": Field("Who asked."),
        "time": Field("When, RFC 3339."),
        "reason": Field("In their words."),
        "report": Field("What the gates said.", ("object",), of=REPORT),
    },
    whole=True,
)
_DECISIONS = Record("GateDecisions", {"decisions": Field("Newest first.", ("array",), of=_DECISION)}, whole=True)
_DECISIONS_QUERY = {"version": Field("Of this version alone.", ("integer",), nullable=True)}
_VALUES = Field("Name to value.", ("object",), of=Field("A value.", ("any",), nullable=True), keyed=True)
_PREDICTION = Record(
    "Prediction",
    {
        "request": Field("The request's id."),
        "row": Field("The row within it, from 0.", ("integer",)),
        "uri": Field("The version that predicted, `models:/NAME/VERSION`."),
        "role": Field("main; canary, a share of the traffic; shadow, a copy whose answer nobody saw."),
        "view": Field("The view version behind the features; empty if they came with the request."),
        "source": Field("Where the features came from: request, online, defaults, last_good."),
        "method": Field("What was asked of the model."),
        "keys": _VALUES,
        "features": _VALUES,
        "prediction": Field("What it said.", ("any",), nullable=True),
        "time": Field("When, RFC 3339."),
        "latency_ms": Field("From the request to the answer.", ("number",)),
        "outcome": Field("What came of it; null as long as nobody said.", ("any",), nullable=True),
        "outcome_time": Field("When that was known, RFC 3339.", nullable=True),
    },
    whole=True,
)
_PREDICTIONS = Record("Predictions", {"predictions": Field("Newest first.", ("array",), of=_PREDICTION)}, whole=True)
_PREDICTIONS_QUERY = {
    "limit": Field(f"Rows at most, up to {MOST_PREDICTIONS}.", ("integer",), default=100),
    "until": Field(
        "Only rows of this moment and before, RFC 3339: the oldest one of a page, to go on from there.", nullable=True
    ),
    "version": Field("Of this version alone.", ("integer",), nullable=True),
    "role": Field("main, canary or shadow.", nullable=True),
}


def _compare(call: Call) -> Reply:
    """Two versions side by side: figures on common data, metrics, params, data, code, packages."""
    asked = read_query(call.query, _COMPARE_QUERY)
    return _reply(call.store.models.compare(call.path["name"], asked["a"], asked["b"]).to_dict())


def _decisions(call: Call) -> Reply:
    """The reports of the gates that decided about a model's versions: those that let one pass, and those that refused."""
    wanted = read_query(call.query, _DECISIONS_QUERY)["version"]
    entries = [entry for entry in reversed(call.store.models.history(call.path["name"])) if entry.report is not None]
    return _reply(
        {
            "decisions": [
                {
                    "seq": entry.seq,
                    "action": entry.action,
                    "user": entry.user,
                    "time": isoformat(entry.time),
                    "reason": entry.reason,
                    "report": told_report(GateReport.from_dict(entry.report or {})),
                }
                for entry in entries
                if wanted in (None, entry.version)
            ]
        }
    )


def _predictions(call: Call) -> Reply:
    """What a model predicted, with the outcome of each where it is known."""
    asked = read_query(call.query, _PREDICTIONS_QUERY)
    if not 0 < asked["limit"] <= MOST_PREDICTIONS:
        msg = f"limit must be 1 to {MOST_PREDICTIONS}, not {asked['limit']}"
        raise InvalidInputError(msg)
    until = None if asked["until"] is None else to_micros(parse_time(asked["until"]))
    kept = call.store.predictions
    call.store.models.model(call.path["name"])
    found = kept.newest(call.path["name"], asked["limit"], until=until, version=asked["version"], role=asked["role"])
    return _told(call, found)


def _prediction(call: Call) -> Reply:
    """What was predicted for one request, a row each; those of shadows last."""
    return _told(call, call.store.predictions.find(call.path["request"]))


def _told(call: Call, found: list[PredictionRecord]) -> Reply:
    outcomes = call.store.predictions.outcomes(found)
    return _reply({"predictions": [_row(each, outcomes) for each in found]})


def _row(each: PredictionRecord, outcomes: Mapping[tuple[str, int], tuple[Any, Any]]) -> dict[str, Any]:
    outcome, time = outcomes.get((each.request, each.row), (None, None))
    return {
        "request": each.request,
        "row": each.row,
        "uri": each.uri,
        "role": each.role,
        "view": each.view,
        "source": each.source,
        "method": each.method,
        "keys": dict(each.keys),
        "features": dict(each.features),
        "prediction": each.prediction,
        "time": isoformat(each.time),
        "latency_ms": each.latency_ms,
        "outcome": outcome,
        "outcome_time": None if time is None else isoformat(to_micros(time)),
    }


def _reply(value: Any) -> Reply:
    return Reply(dumps(plain(value)), media_type=JSON)


def _operation(handler: Any, gives: Record, query: Mapping[str, Field] | None = None) -> Operation:
    return Operation(handler, gives=(Content(record=gives),), query=query or {})


_OF_MODEL, _READ = "/api/v1/models/{name}", "models:read"
ENDPOINTS = (
    Endpoint("GET", f"{_OF_MODEL}/compare", _READ, _operation(_compare, _COMPARISON, _COMPARE_QUERY)),
    Endpoint("GET", f"{_OF_MODEL}/decisions", _READ, _operation(_decisions, _DECISIONS, _DECISIONS_QUERY)),
    Endpoint("GET", f"{_OF_MODEL}/predictions", _READ, _operation(_predictions, _PREDICTIONS, _PREDICTIONS_QUERY)),
    Endpoint("GET", "/api/v1/predictions/{request}", _READ, _operation(_prediction, _PREDICTIONS)),
)
"""The routes."""
