"""How MLflow's requests are read and its answers written: protobuf's JSON, with the liberties that its server takes.

- Bodies need the content type; one that holds a JSON text that holds the object is taken too, and none is `{}`.
- Unknown members are ignored, a null is a member left out, a name may be in camel case.
- A whole number comes as a number or a text, a float also as `NaN`, `Infinity`, `-Infinity`. Whole numbers go out as numbers,
  floats that aren't finite as those texts. What is empty is left out.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
import re
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import parse_qs

import orjson

from headrace.errors import InvalidInputError
from headrace.patience import Leaving, WouldWaitError, impatient, leaving
from headrace.server import steps
from headrace.server.endpoint import Handler, Operation, Quick
from headrace.server.errors import BadRequestError
from headrace.server.http import JSON, Call, Reply
from headrace.server.pace import Pace
from headrace.server.schema import Content, Field, Record

__all__ = [
    "DONE",
    "METRIC",
    "MOST_IN_ALL",
    "MOST_METRICS",
    "MOST_PAIRS",
    "PAGE",
    "choice",
    "experiment_id",
    "filled",
    "member",
    "micros",
    "millis",
    "missing",
    "next_page",
    "number",
    "offset_of",
    "operation",
    "pairs",
    "read",
    "read_metric",
    "read_record",
    "rendered",
    "reply",
    "texts",
]

DONE = Reply(b"{}")
PAGE = {
    "max_results": Field("At most so many.", ("integer",)),
    "page_token": Field("The `next_page_token` of the page before."),
}
MOST_METRICS, MOST_PAIRS, MOST_IN_ALL = 1000, 100, 1000
"""What one batch may hold."""
INT64 = range(-(2**63), 2**63)
EXACT = 2**53
MOST_AT_ONCE = 32_000
"""Bytes of a body that is read on the event loop: some hundred points, half a millisecond."""
GROUP_SECONDS = 1e-3
"""So long the event loop may wait for the commit of a group: what its requests take to be read and answered."""
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MORE = "See the API docs for more information about request parameters."
_WHOLE = re.compile(r"-?\d+")


def operation(
    handler: Handler, takes: Record, gives: Record | None = None, *, query: bool = False, soon: bool = False, blind: bool = False
) -> Operation:
    """A route of MLflow, described by what it takes and gives.

    Args:
        soon: whether a catalog nearby answers it in less time than a change of threads takes.
        blind: whether it writes to a run and answers nothing of the catalog: its thread needn't wait then.
    """
    answer = (Content(JSON, gives),)
    quick = _at_once(handler) if soon else None
    if query:
        return Operation(handler, gives=answer, query=takes.fields, quick=quick)
    patient = _left_to_others(handler) if blind else None
    return Operation(handler, takes=(Content(JSON, takes),), gives=answer, quick=quick, patient=patient)


def _at_once(handler: Handler) -> Quick:
    """The handler on the event loop, as long as it waits for nobody and has little to read."""

    def quick(call: Call) -> Reply | None:
        if len(call.body) > MOST_AT_ONCE or not call.store.runs.stores.nearby:
            return None
        try:
            with impatient(asyncio.get_running_loop().call_soon):
                return handler(call)
        except WouldWaitError:
            return None

    return quick


def _left_to_others(handler: Handler) -> Quick:
    """The handler on the event loop, whose write shares a commit with those of requests that came at the same time: a change of
    threads for each of many writers takes longer than the writes of all of them."""
    pace = Pace(GROUP_SECONDS)

    def patient(call: Call) -> Coroutine[Any, Any, Reply] | None:
        if len(call.body) > MOST_AT_ONCE:
            return None
        with leaving(steps.Kept, asyncio.get_running_loop().call_soon) as left:
            reply = handler(call)
        steps.go_on()
        return _once_kept(reply, left, pace if call.store.runs.stores.nearby else None)

    return patient


async def _once_kept(reply: Reply, left: Leaving[steps.Kept], pace: Pace | None) -> Reply:
    await asyncio.sleep(0)  # the other requests leave theirs
    if left.lead is not None and pace is not None and (pace.fast or pace.looks()):
        pace.timed(left.lead, here=True)
    elif left.lead is not None:
        further = left.lead(here=pace is None)
        if further is not None:
            steps.take(further)
    for kept in left.promises:
        await kept.awaited()
    return reply


def read(call: Call, record: Record) -> dict[str, Any]:
    """The members of a request, from its query if it has one, else from its body; those left out are None, lists empty.

    Raises:
        BadRequestError: the body isn't a JSON object, or a member is missing or of another type.
    """
    return read_record(_query(call, record) if call.raw_query and not call.body else _body(call), record)


def read_record(given: Mapping[str, Any], record: Record, path: str = "") -> dict[str, Any]:
    """The members of one JSON object; `path` says where it stands."""
    found: dict[str, Any] = {}
    for name, member in record.fields.items():
        value = given.get(name)
        if value is None:
            value = _other_name(given, name)
        if value is None or (value == "" and member.required):
            if member.required:
                missing(path + name)
            found[name] = [] if member.kinds[0] == "array" else None
        else:
            found[name] = _READERS[member.kinds[0]](path + name, value)
    return found


def missing(path: str) -> NoReturn:
    """Refuse a request that leaves out what it needs. Raises BadRequestError."""
    msg = f"Missing value for required parameter '{path}'. {_MORE}"
    raise BadRequestError(msg)


def pairs(items: Sequence[Any], path: str, *, empty_keys: bool = False) -> list[tuple[str, str]]:
    """`[{"key", "value"}]` as pairs in order; a value left out is empty. Raises BadRequestError."""
    found = []
    for place, item in enumerate(items):
        where = f"{path}[{place}]"
        given = member(item, where)
        key, value = given.get("key"), given.get("value")
        if (key is None or key == "") and not empty_keys:
            missing(f"{where}.key")
        found.append((_text(f"{where}.key", key or ""), "" if value is None else _text(f"{where}.value", value)))
    return found


def read_metric(item: Any, path: str) -> tuple[str, float, int, int, str, str, str]:
    """A metric's key, value, time in milliseconds, step, model id, dataset's name and digest. Raises BadRequestError."""
    asked = read_record(member(item, path), METRIC, f"{path}." if path else "")
    origin = (asked["model_id"] or "", asked["dataset_name"] or "", asked["dataset_digest"] or "")
    return asked["key"], asked["value"], asked["timestamp"], asked["step"] or 0, *origin


def member(value: Any, path: str) -> dict[str, Any]:
    """The value itself, if it is a JSON object. Raises BadRequestError."""
    if not isinstance(value, dict):
        _wrong(path, value)
    return value


def choice(name: str, value: str | None, names: Sequence[str], default: str | None = None) -> str | None:
    """A value of an enumeration, told by its name or its number, the first being 1. Raises BadRequestError for another."""
    if value is None:
        return default
    if value.isdecimal() and 0 < int(value) <= len(names):
        return names[int(value) - 1]
    if value not in names:
        msg = f"Invalid value '{value}' for parameter '{name}' supplied; it is one of {', '.join(names)}. {_MORE}"
        raise BadRequestError(msg)
    return value


def texts(path: str, items: Sequence[Any]) -> list[str]:
    """The list itself, if it holds texts only. Raises BadRequestError."""
    return [_text(f"{path}[{place}]", item) for place, item in enumerate(items)]


def experiment_id(text: str) -> str:
    """The id itself, if it is a number. Raises InvalidInputError."""
    if not text.isascii() or not text.isdecimal():
        msg = f"Invalid experiment ID '{text[:100]}'. Experiment ID must be a valid integer."
        raise InvalidInputError(msg)
    return text


def offset_of(token: str | None, search: str = "") -> int:
    """Where a page starts; of the same `search`, if the token holds one. Raises InvalidInputError."""
    if not token:
        return 0
    try:
        held = orjson.loads(base64.b64decode(token, validate=True))
    except (binascii.Error, ValueError) as error:
        msg = "Invalid page token, could not base64-decode; pass the next_page_token of the page before as it came"
        raise InvalidInputError(msg) from error
    offset = held.get("offset") if isinstance(held, dict) else None
    if type(offset) is not int or not 0 <= offset < 2**62:
        msg = "Invalid page token; pass the next_page_token of the page before as it came"
        raise InvalidInputError(msg)
    if held.get("search", "") != search:
        msg = "The page token is of another search; give the experiments, filter and order that it came of, or leave it out"
        raise InvalidInputError(msg)
    return offset


def next_page(found: Sequence[Any], limit: int, offset: int, search: str = "") -> dict[str, str]:
    """The token of the page after one that was asked for with one item more than it shows; nothing if it is the last."""
    if len(found) <= limit:
        return {}
    held = {"offset": offset + limit, **({"search": search} if search else {})}
    return {"next_page_token": base64.b64encode(orjson.dumps(held)).decode()}


def number(value: float) -> float | str:
    """A float as protobuf's JSON has it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def micros(path: str, time: int) -> int:
    """Milliseconds that a client sent as microseconds. Raises InvalidInputError for a year that nobody lives in."""
    if time * 1000 not in INT64:
        msg = f"Invalid value {time} for parameter '{path}' supplied: it is milliseconds since 1970, beyond what a clock tells"
        raise InvalidInputError(msg)
    return time * 1000


def millis(micros: int) -> int:
    """Microseconds as the milliseconds that MLflow speaks of."""
    return micros // 1000


def rendered(items: Mapping[str, str]) -> list[dict[str, str]]:
    """A mapping as `[{"key", "value"}]`."""
    return [{"key": key, "value": value} for key, value in items.items()]


def filled(shape: Mapping[str, Any]) -> dict[str, Any]:
    """The shape without what is None or an empty list."""
    return {name: value for name, value in shape.items() if value is not None and value != []}


def reply(shape: Mapping[str, Any]) -> Reply:
    """An answer."""
    return Reply(orjson.dumps(shape))


def _query(call: Call, record: Record) -> dict[str, Any]:
    held = parse_qs(call.raw_query.decode("latin-1"), keep_blank_values=True)
    found: dict[str, Any] = {}
    for name, values in held.items():
        kind = record.fields[name].kinds[0] if name in record.fields else "string"
        found[name] = values if kind == "array" else values[0]
        if kind == "boolean":
            found[name] = {"true": True, "false": False}.get(values[0].lower(), values[0])
    return found


def _body(call: Call) -> dict[str, Any]:
    if call.media_type != JSON and (call.body or call.media_type):
        msg = f"Bad Request. Content-Type must be one of ['{JSON}']."
        raise BadRequestError(msg)
    body = _json(call.body) if call.body else {}
    if isinstance(body, str):
        body = _json(body.encode())
    if body is None:
        return {}
    if not isinstance(body, dict):
        msg = f"the body must be a JSON object, not a {type(body).__name__}"
        raise BadRequestError(msg)
    return body


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        found = json.loads(body)  # Python's own takes NaN and Infinity as they are
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        msg = "the body isn't text: it holds half of a surrogate pair"
        raise BadRequestError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"the body isn't JSON: {error}"
        raise BadRequestError(msg) from error
    return found


def _other_name(given: Mapping[str, Any], name: str) -> Any:
    if name == "run_id":
        return given.get("run_uuid", given.get("runId", given.get("runUuid")))
    first, *rest = name.split("_")
    return given.get(first + "".join(map(str.title, rest))) if rest else None


def _wrong(path: str, value: Any) -> NoReturn:
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    shown = shown if len(shown) <= 500 else f"{shown[:500]}…"
    hint = f"Hint: Value was of type '{type(value).__name__}'."
    msg = f"Invalid value {shown} for parameter '{path}' supplied:  {hint} {_MORE}"
    raise BadRequestError(msg)


def _text(path: str, value: Any) -> str:
    if not isinstance(value, str):
        _wrong(path, value)
    return value


def _choice_text(path: str, value: Any) -> str:
    return str(value) if type(value) is int else _text(path, value)


def _whole(path: str, value: Any) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value) and len(value) < 25:
        value = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        value = int(value)
    if type(value) is not int or value not in INT64:
        _wrong(path, value)
    return value


def _float(path: str, value: Any) -> float:
    if isinstance(value, str):
        if value in _NOT_FINITE:
            return _NOT_FINITE[value]
        try:
            value = float(value) if value.strip().lower().lstrip("+-")[:1] not in ("n", "i") else value
        except ValueError:
            _wrong(path, value)
    if not isinstance(value, int | float):
        _wrong(path, value)
    try:
        return float(value)
    except OverflowError:
        _wrong(path, value)


def _flag(path: str, value: Any) -> bool:
    if not isinstance(value, bool):
        _wrong(path, value)
    return value


def _list(path: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        _wrong(path, value)
    return value


def _any(_path: str, value: Any) -> Any:
    return value


_READERS = {
    "string": _text,
    "integer": _whole,
    "number": _float,
    "boolean": _flag,
    "array": _list,
    "any": _choice_text,
    "object": _any,
}

METRIC = Record(
    "MlflowMetric",
    {
        "key": Field("Its name.", required=True),
        "value": Field("A float; `NaN` and infinities as texts.", ("number",), required=True),
        "timestamp": Field("When it was measured, milliseconds since 1970.", ("integer",), required=True),
        "step": Field("The caller's own axis.", ("integer",), default=0),
        "model_id": Field("The logged model that it was measured on."),
        "dataset_name": Field("The data that it was measured on."),
        "dataset_digest": Field("Its digest."),
    },
)
