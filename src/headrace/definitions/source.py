"""Sources: where events and records come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from headrace.definitions.expectation import Expectation, expectations, expectations_from_spec
from headrace.definitions.faults import mapping
from headrace.definitions.window import Duration, clean_duration, parse_duration

__all__ = ["EventSource", "Source", "TableSource", "source_from_spec"]


@dataclass(frozen=True)
class _Source:
    name: str
    timestamp: str
    schema: Mapping[str, str]
    available: str | None = None
    stream: str | None = None
    description: str = ""
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    expect: Sequence[Expectation] = ()

    def __post_init__(self) -> None:
        where = f"source {self.name!r}"
        example = "schema={'user_id': 'int64', 'rated_at': 'timestamp'}"
        object.__setattr__(self, "schema", mapping(f"{where}, schema", self.schema, example))
        object.__setattr__(self, "tags", mapping(f"{where}, tags", self.tags, "tags={'team': 'recsys'}"))
        object.__setattr__(self, "expect", expectations(where, self.expect))

    @property
    def is_table(self) -> bool:
        """Whether rows are records that hold until a newer one, not events."""
        return isinstance(self, TableSource)

    def to_spec(self) -> dict[str, Any]:
        """The definition as plain JSON values."""
        return {
            "type": "table" if self.is_table else "events",
            "timestamp": self.timestamp,
            "schema": [[name, kind] for name, kind in self.schema.items()],
            "available": self.available,
            "stream": self.stream,
            "description": self.description,
            "owner": self.owner,
            "tags": dict(self.tags),
            **({"expect": [item.to_spec() for item in self.expect]} if self.expect else {}),
        }


@dataclass(frozen=True)
class EventSource(_Source):
    """An append-only stream of things that happened: views, payments.

    Args:
        name: unique among sources.
        timestamp: the column that says when it happened.
        schema: every column and its type, the timestamp included.
        stream: the topic that real-time events come through. Leave it out for batch only.
        id: the column that identifies an event: it counts once however often it is delivered, within `lateness`.
        available: the column that says when the event reached us. Default: when Headrace received it.
        expect: what each row must be like, for example `[hr.expect.between("stars", 0.5, 5)]`.
        lateness: how long after an event came in its repeats are known as such, and how far behind the newest event one may
            be before it is shown as late. Default 1 day.
    """

    id: str | None = None
    lateness: Duration = "1d"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "lateness", clean_duration(self.lateness))

    @cached_property
    def lateness_micros(self) -> int:
        """The allowed lateness, in microseconds."""
        return parse_duration(self.lateness)

    def to_spec(self) -> dict[str, Any]:
        """The definition as plain JSON values."""
        return {**super().to_spec(), "id": self.id, "lateness": self.lateness}


@dataclass(frozen=True)
class TableSource(_Source):
    """Records that hold from their timestamp on, until a newer one for the same entity: profiles, prices.

    Args:
        name: unique among sources.
        timestamp: the column that says from when on the record holds.
        schema: every column and its type, the timestamp included.
        stream: the topic that changes come through. Leave it out for batch only.
        available: the column that says when the record reached us. Default: when Headrace received it.
        expect: what each row must be like, for example `[hr.expect.not_null("title")]`.
    """


Source = EventSource | TableSource


def source_from_spec(name: str, spec: Mapping[str, Any]) -> Source:
    """The definition that `to_spec` wrote."""
    common: dict[str, Any] = {key: spec[key] for key in ("timestamp", "available", "stream", "description", "owner", "tags")}
    common["schema"], common["expect"] = dict(spec["schema"]), expectations_from_spec(spec)
    if spec["type"] == "table":
        return TableSource(name, **common)
    return EventSource(name, **common, id=spec["id"], lateness=spec["lateness"])
