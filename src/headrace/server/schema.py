"""Declared shapes of bodies and parameters: they check what comes in, and they are what /openapi.json says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from headrace.errors import nearest
from headrace.server.errors import BadRequestError

__all__ = ["ARROW_STREAM", "NOTHING", "PLAIN_TEXT", "Content", "Field", "Record", "read_query"]

Kind = Literal["string", "integer", "number", "boolean", "object", "array", "any"]
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a JSON object, or one query parameter.

    Attributes:
        kinds: the JSON types it may have.
        default: what it is when left out.
        of: the shape of the object, or of each item of the array.
        keyed: an object from names to values; `of` is the shape of each value.
        choices: the texts it may be. They are told, not checked.
    """

    text: str
    kinds: tuple[Kind, ...] = ("string",)
    required: bool = False
    nullable: bool = False
    default: Any = None
    of: Record | Field | None = None
    keyed: bool = False
    choices: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        kinds: list[str] = [*self.kinds, *(["null"] if self.nullable else [])]
        described: dict[str, Any] = {"description": self.text}
        if isinstance(self.of, Record) and self.kinds == ("object",) and not self.keyed:
            return {**described, "anyOf": [self.of.reference(), *([{"type": "null"}] if self.nullable else [])]}
        if "any" not in kinds:
            described["type"] = kinds[0] if len(kinds) == 1 else kinds
        if self.choices:
            described["enum"] = [*self.choices, *([None] if self.nullable else [])]
        if self.of is not None:
            inner = self.of.reference() if isinstance(self.of, Record) else self.of.schema()
            described["additionalProperties" if self.keyed else "items"] = inner
        if self.default is not None:
            described["default"] = self.default
        return described

    def fits(self, value: Any) -> bool:
        """Whether a JSON value is of its types."""
        if value is None:
            return self.nullable
        if isinstance(value, bool):
            return bool({"boolean", "any"} & set(self.kinds))
        return any(kind == "any" or isinstance(value, _TYPES[kind]) for kind in self.kinds)


@dataclass(frozen=True)
class Record:
    """A JSON object with declared members.

    Attributes:
        name: what /openapi.json calls it.
        open: whether other members are allowed, and ignored.
        whole: whether every member is always there, as in an answer.
    """

    name: str
    fields: Mapping[str, Field]
    text: str = ""
    open: bool = False
    whole: bool = False

    def read(self, value: Any) -> dict[str, Any]:
        """A JSON value's members, defaults filled in. Raises BadRequestError with every fault."""
        if self.fits(value):
            return {**self._defaults, **value}
        return self._checked(value)

    def fits(self, value: Any) -> bool:
        """Whether it is an object of these members and no others, as nearly every one is."""
        if type(value) is not dict or not self._required <= value.keys():
            return False
        types = self._types
        return all(type(item) in types.get(name, ()) for name, item in value.items())

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        return {name: member.default for name, member in self.fields.items()}

    @cached_property
    def _required(self) -> frozenset[str]:
        return frozenset(name for name, member in self.fields.items() if member.required)

    @cached_property
    def _types(self) -> dict[str, frozenset[type]]:
        nothing = {True: {type(None)}, False: set[type]()}
        return {
            name: frozenset(kind for each in member.kinds for kind in _TYPES.get(each, ())) | nothing[member.nullable]
            for name, member in self.fields.items()
        }

    def _checked(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            msg = f"the body must be a JSON object with {', '.join(map(repr, self.fields))}"
            raise BadRequestError(msg)
        faults = [f"{name!r} is missing" for name, member in self.fields.items() if member.required and name not in value]
        for name, item in value.items():
            member = self.fields.get(name)
            if member is None:
                if not self.open:
                    faults.append(f"there is no member {name!r}{nearest(name, self.fields)}")
            elif not member.fits(item):
                faults.append(f"{name!r} must be {' or '.join(member.kinds)}, not {shown(item)}")
        if faults:
            msg = f"the body can't be used: {'; '.join(faults)}"
            raise BadRequestError(msg)
        return {name: value.get(name, member.default) for name, member in self.fields.items()}

    def reference(self) -> dict[str, Any]:
        """What stands in /openapi.json where this shape is meant."""
        return {"$ref": f"#/components/schemas/{self.name}"}

    def records(self) -> Iterator[Record]:
        """This record, and those that its members are made of; one that holds itself comes once."""
        seen: dict[str, Record] = {}
        waiting = [self]
        while waiting:
            record = waiting.pop()
            if record.name in seen:
                continue
            seen[record.name] = record
            yield record
            for member in record.fields.values():
                inner = member.of
                while isinstance(inner, Field):
                    inner = inner.of
                if inner is not None:
                    waiting.append(inner)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        described: dict[str, Any] = {
            "type": "object",
            "properties": {name: member.schema() for name, member in self.fields.items()},
        }
        required = [name for name, member in self.fields.items() if member.required or self.whole]
        if required:
            described["required"] = required
        if self.text:
            described["description"] = self.text
        if not self.open:
            described["additionalProperties"] = False
        return described


@dataclass(frozen=True, slots=True)
class Content:
    """A body: its media type, and its shape if it is JSON."""

    media_type: str = "application/json"
    record: Record | None = None
    text: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)


ARROW_STREAM = Content("application/vnd.apache.arrow.stream", text="An Arrow IPC stream.")
PLAIN_TEXT = Content("text/plain")
NOTHING = Content("")


def read_query(given: Mapping[str, str], fields: Mapping[str, Field]) -> dict[str, Any]:
    """Query parameters by their types. Raises BadRequestError with every fault."""
    faults = [f"{name!r} is missing" for name, member in fields.items() if member.required and name not in given]
    values = {name: member.default for name, member in fields.items()}
    for name, text in given.items():
        member = fields.get(name)
        if member is None:
            faults.append(f"there is no parameter {name!r}{nearest(name, fields)}")
            continue
        try:
            values[name] = _PARSERS[member.kinds[0]](text)
        except (ValueError, KeyError):
            faults.append(f"{name!r} must be {member.kinds[0]}, not {text!r}")
    if faults:
        msg = f"the query parameters can't be used: {'; '.join(faults)}"
        raise BadRequestError(msg)
    return values


def shown(value: Any) -> str:
    """A value in a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_PARSERS: Mapping[str, Any] = {
    "string": str,
    "any": str,
    "integer": int,
    "number": float,
    "boolean": lambda text: _BOOLEANS[text.lower()],
}
