"""Reads the bodies of Feast's requests, and tells what is wrong with one as its server does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.server.errors import BadRequestError
from headrace.server.feast.errors import MalformedError
from headrace.server.http import Call
from headrace.server.schema import Field, Record

__all__ = ["FRAME", "read_body", "require_lists", "require_texts"]

LONGEST_ECHO = 10_000
FRAME = Field("Column to its values.", ("object",), required=True)
_WORDS = {
    "array": ("list_type", "Input should be a valid list"),
    "object": ("dict_type", "Input should be a valid dictionary"),
    "boolean": ("bool_type", "Input should be a valid boolean"),
    "string": ("string_type", "Input should be a valid string"),
}


def read_body(call: Call, record: Record) -> dict[str, Any]:
    """The members of the body, defaults filled in; others are ignored. Raises MalformedError with every fault."""
    try:
        body = call.json()
    except BadRequestError as error:
        kind, where = ("json_invalid", ["body", 0]) if call.body else ("missing", ["body"])
        raise MalformedError([_fault(kind, where, str(error), None)]) from error
    if not isinstance(body, dict):
        text = "Input should be a valid dictionary or object to extract fields from"
        raise MalformedError([_fault("model_attributes_type", ["body"], text, body)])
    if record.fits(body):
        return record.read(body)
    given = body if len(call.body) <= LONGEST_ECHO else None
    faults = []
    for name, member in record.fields.items():
        if name not in body:
            faults += [_fault("missing", ["body", name], "Field required", given)] if member.required else []
        elif not member.fits(body[name]):
            faults.append(_fault(_WORDS[member.kinds[0]][0], ["body", name], _WORDS[member.kinds[0]][1], body[name]))
    if faults:
        raise MalformedError(faults)
    return {name: body.get(name, member.default) for name, member in record.fields.items()}


def require_texts(name: str, items: Sequence[Any]) -> None:
    """Refuse a list that holds anything but texts. Raises MalformedError with the first fault."""
    for place, item in enumerate(items):
        if not isinstance(item, str):
            raise MalformedError([_fault(_WORDS["string"][0], ["body", name, place], _WORDS["string"][1], item)])


def require_lists(name: str, columns: dict[str, Any]) -> None:
    """Refuse an object whose members aren't lists. Raises MalformedError."""
    kind, text = _WORDS["array"]
    faults = [_fault(kind, ["body", name, key], text, column) for key, column in columns.items() if not isinstance(column, list)]
    if faults:
        raise MalformedError(faults)


def _fault(kind: str, where: list[Any], text: str, given: Any) -> dict[str, Any]:
    return {"type": kind, "loc": where, "msg": text, "input": given}
