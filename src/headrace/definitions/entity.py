"""Entity: a thing that has features, named by its join keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.definitions.faults import mapping

__all__ = ["Entity"]


@dataclass(frozen=True)
class Entity:
    """A thing that has features, for example a user.

    Args:
        name: unique among entities.
        keys: join key columns and their types, in order: `{"user_id": "int64"}`; several make a composite key.
        description, owner, tags: for people and for search.
    """

    name: str
    keys: Mapping[str, str]
    description: str = ""
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"entity {self.name!r}"
        object.__setattr__(self, "keys", mapping(f"{where}, keys", self.keys, "keys={'user_id': 'int64'}"))
        object.__setattr__(self, "tags", mapping(f"{where}, tags", self.tags, "tags={'team': 'recsys'}"))

    def to_spec(self) -> dict[str, Any]:
        """The definition as plain JSON values."""
        return {
            "keys": [[name, kind] for name, kind in self.keys.items()],
            "description": self.description,
            "owner": self.owner,
            "tags": dict(self.tags),
        }

    @classmethod
    def from_spec(cls, name: str, spec: Mapping[str, Any]) -> Entity:
        """The definition that `to_spec` wrote."""
        return cls(name, dict(spec["keys"]), spec["description"], spec["owner"], spec["tags"])
