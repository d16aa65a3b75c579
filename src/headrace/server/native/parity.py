"""Online against offline for some entities, as JSON."""

from __future__ import annotations

from typing import Any

from headrace.clock import from_micros
from headrace.definitions.plain import parse_time, read_entities, readers_of
from headrace.server.columns import dumps, json_column
from headrace.server.endpoint import Operation
from headrace.server.http import Call, Reply
from headrace.server.schema import Content, Field, Record

__all__ = ["PARITY"]

_ASKED = Record(
    "ParityRequest",
    {
        "view": Field("A feature view: `ranking`, or one version of it, `ranking:3`.", required=True),
        "entities": Field(
            "Join keys and request inputs, as for online features; at most 1,000.",
            ("object",),
            required=True,
            of=Field("A value, or a list of them.", ("any",), nullable=True),
            keyed=True,
        ),
        "at": Field("The moment that both answer for, RFC 3339. Default: now.", nullable=True),
    },
)
_VALUES = Field("A value per row.", ("array",), of=Field("A value.", ("any",), nullable=True))
_FEATURE = Record(
    "FeatureParity",
    {
        "online": _VALUES,
        "offline": _VALUES,
        "verdicts": Field(
            "Per row: `missing` is a value that history has and the online store hasn't, `unknown` the other way round.",
            ("array",),
            of=Field("The verdict.", choices=("equal", "differs", "missing", "unknown")),
        ),
        "statuses": Field("PRESENT, NULL_VALUE, NOT_FOUND or OUTSIDE_MAX_AGE online.", ("array",), of=Field("A status.")),
    },
    whole=True,
)
_GIVEN = Record(
    "Parity",
    {
        "view": Field("The view version."),
        "at": Field("The moment that both answer for, RFC 3339."),
        "rows": Field("How many entities.", ("integer",)),
        "equal": Field("Whether every value is equal to the bit.", ("boolean",)),
        "keys": Field("The request's columns, a value per row.", ("object",), of=_VALUES, keyed=True),
        "features": Field("By name.", ("object",), of=_FEATURE, keyed=True),
    },
    whole=True,
)


def _parity(call: Call) -> Reply:
    """What the online store says of some entities, beside what history says as of the same moment, compared to the bit.

    Values that differ are usually rows that wait to be materialized: see the freshness of the view's groups.
    """
    asked = _ASKED.read(call.json())
    view = call.store.catalog.view(asked["view"]).view
    entities = read_entities(readers_of(view.request_keys), asked["entities"])
    found = call.store.parity(asked["view"], entities, None if asked["at"] is None else parse_time(asked["at"]))
    features: dict[str, Any] = {}
    for name, each in found.features.items():
        kind = found.types[name]
        online, offline = json_column(each.online, kind), json_column(each.offline, kind)
        features[name] = {"online": online, "offline": offline, "verdicts": each.verdicts, "statuses": found.statuses[name]}
    keys = {name: json_column(column, found.types.get(name, "")) for name, column in found.keys.items()}
    rows = len(next(iter(found.keys.values()), []))
    answer = {"view": found.view, "at": from_micros(found.at), "rows": rows, "equal": bool(found)}
    return Reply(dumps({**answer, "keys": keys, "features": features}))


PARITY = Operation(_parity, takes=(Content(record=_ASKED),), gives=(Content(record=_GIVEN),))
