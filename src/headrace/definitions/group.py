"""FeatureGroup: where features are computed, and the ways a view selects from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from headrace.definitions.aggregation import Aggregation, Column, Feature
from headrace.definitions.entity import Entity
from headrace.definitions.expectation import Expectation, expectations, expectations_from_spec
from headrace.definitions.faults import mapping
from headrace.definitions.source import Source
from headrace.definitions.window import Duration, clean_duration, parse_duration
from headrace.errors import NotFoundError

__all__ = ["FeatureGroup", "FeatureSelection"]

_MAPPINGS = {
    "features": "{'stars_avg_7d': hr.mean('stars', '7d')}",
    "keys": "{'user_id': 'viewer'}",
    "tags": "{'team': 'recsys'}",
}


@dataclass(frozen=True)
class FeatureGroup:
    """Features of one entity, computed from one source. Real-time if its source has a stream, else historical.

    Args:
        name: unique among groups.
        entity: the thing that the features describe.
        source: where the rows come from.
        features: name to aggregation (event source), or to a SQL expression or `hr.column` (table source).
        ttl: a value older than this is null, in training and in serving. Default: never.
        freshness: how old the newest event may be before the group counts as stale. Default: no limit.
        keys: entity key to source column, where they differ: `{"user_id": "viewer"}`.
        owner, description, tags: for people and for search.
        expect: what the features' values must be like, for example `[hr.expect.between("stars_avg_7d", 0, 5)]`. They are checked
            on samples; one that is broken shows in `store.quality()`.
    """

    name: str
    entity: Entity
    source: Source
    features: Mapping[str, Aggregation | Column | str]
    ttl: Duration | None = None
    freshness: Duration | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    expect: Sequence[Expectation] = ()
    resolved: tuple[Feature, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("ttl", "freshness"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, clean_duration(value))
        where = f"group {self.name!r}"
        for name, example in _MAPPINGS.items():
            object.__setattr__(self, name, mapping(f"{where}, {name}", getattr(self, name), f"{name}={example}"))
        object.__setattr__(self, "expect", expectations(where, self.expect))
        features = {name: Column(value) if isinstance(value, str) else value for name, value in self.features.items()}
        object.__setattr__(self, "features", features)
        if [(feature.name, feature.value) for feature in self.resolved] != list(features.items()):  # new, or copied and changed
            object.__setattr__(self, "resolved", tuple(Feature(name, value) for name, value in features.items()))

    @property
    def is_realtime(self) -> bool:
        """Whether events reach it through a stream."""
        return self.source.stream is not None

    @property
    def key_columns(self) -> dict[str, str]:
        """Entity key to the source's column that holds it, in the entity's order."""
        return {key: self.keys.get(key, key) for key in self.entity.keys}

    @cached_property
    def ttl_micros(self) -> int | None:
        """The time to live in microseconds; None for ever."""
        return None if self.ttl is None else parse_duration(self.ttl)

    @cached_property
    def freshness_micros(self) -> int | None:
        """The freshness limit in microseconds; None if there is none."""
        return None if self.freshness is None else parse_duration(self.freshness)

    def feature(self, name: str) -> Feature:
        """The feature of this name.

        Raises:
            NotFoundError: the group has no such feature.
        """
        for feature in self.resolved:
            if feature.name == name:
                return feature
        kind = f"feature of group {self.name!r}"
        raise NotFoundError.of(kind, name, [feature.name for feature in self.resolved])

    def with_types(self, features: tuple[Feature, ...]) -> FeatureGroup:
        """The same group with the types of its features filled in."""
        return replace(self, resolved=features)

    def __getitem__(self, names: str | tuple[str, ...]) -> FeatureSelection:
        return FeatureSelection(self)[names]

    def prefixed(self, prefix: str) -> FeatureSelection:
        """All its features, their names in the view preceded by `prefix`."""
        return FeatureSelection(self).prefixed(prefix)

    def keyed(self, **keys: str) -> FeatureSelection:
        """All its features, looked up by other columns of the request: `keyed(user_id="author_id")`."""
        return FeatureSelection(self).keyed(**keys)

    def to_spec(self) -> dict[str, Any]:
        """The definition as plain JSON values, its entity and source by name."""
        return {
            "entity": self.entity.name,
            "source": self.source.name,
            "features": [feature.to_spec() for feature in self.resolved],
            "ttl": self.ttl,
            "freshness": self.freshness,
            "keys": dict(self.keys),
            "owner": self.owner,
            "description": self.description,
            "tags": dict(self.tags),
            **({"expect": [item.to_spec() for item in self.expect]} if self.expect else {}),
        }

    @classmethod
    def from_spec(cls, name: str, spec: Mapping[str, Any], entity: Entity, source: Source) -> FeatureGroup:
        """The definition that `to_spec` wrote."""
        features = tuple(Feature.from_spec(item) for item in spec["features"])
        return cls(
            name,
            entity,
            source,
            {feature.name: feature.value for feature in features},
            ttl=spec["ttl"],
            freshness=spec["freshness"],
            keys=spec["keys"],
            owner=spec["owner"],
            description=spec["description"],
            tags=spec["tags"],
            expect=expectations_from_spec(spec),
            resolved=features,
        )


@dataclass(frozen=True)
class FeatureSelection:
    """Some features of a group, as a view takes them.

    Attributes:
        group: where they are computed.
        names: the chosen features in order; empty means all.
        prefix: precedes each name in the view.
        renamed_keys: entity key to the request column that holds it, where they differ.
    """

    group: FeatureGroup
    names: tuple[str, ...] = ()
    prefix: str = ""
    renamed_keys: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, names: str | tuple[str, ...]) -> FeatureSelection:
        return replace(self, names=(names,) if isinstance(names, str) else tuple(names))

    def prefixed(self, prefix: str) -> FeatureSelection:
        """The same features, their names in the view preceded by `prefix`."""
        return replace(self, prefix=prefix + self.prefix)

    def keyed(self, **keys: str) -> FeatureSelection:
        """The same features, looked up by other columns of the request: `keyed(user_id="author_id")`."""
        return replace(self, renamed_keys={**self.renamed_keys, **keys})

    @property
    def features(self) -> tuple[Feature, ...]:
        """The chosen features. Raises NotFoundError for a name that the group doesn't have."""
        return tuple(self.group.feature(name) for name in self.names) if self.names else self.group.resolved

    @property
    def request_keys(self) -> dict[str, str]:
        """Entity key to the request column that holds it, in the entity's order."""
        return {key: self.renamed_keys.get(key, key) for key in self.group.entity.keys}
