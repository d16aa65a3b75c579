"""Definitions as the catalog holds them: immutable, numbered, hashed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

from headrace.definitions.group import FeatureGroup
from headrace.definitions.view import FeatureView
from headrace.errors import InvalidInputError

__all__ = [
    "DefinitionVersion",
    "GroupVersion",
    "Kind",
    "Names",
    "Reference",
    "ViewVersion",
    "key_columns",
    "parse_reference",
    "several",
    "without_on_demand",
]

Kind = Literal["entity", "source", "group", "view"]
_KINDS: tuple[Kind, ...] = get_args(Kind)
Reference = Annotated[str, "a name as text, for example 'ranking' or 'ranking:3'"]
Names = Annotated[str | Sequence[str] | None, "a name as text, a list of names or None"]
"""One name, some, or None for all of them."""


@dataclass(frozen=True, slots=True)
class DefinitionVersion:
    """One stored version of a definition.

    Attributes:
        hash: SHA-256 over the spec and the computation hash; a new version is made when it differs from the latest one's.
        spec: what `to_spec` gave, plus `"refs"`: the versions that it refers to, `{"group:user_taste": 2}`.
        created: microseconds since 1970.
        computation_hash: SHA-256 over what decides the values: the spec without owner, description, tags, freshness and
            expectations, and the parts it uses of what it refers to. Equal computation hashes mean equal values.
        basis: the first version of the unbroken run of versions that compute the same as this one.
    """

    kind: Kind
    name: str
    version: int
    hash: str
    spec: Mapping[str, Any]
    created: int
    author: str = ""
    computation_hash: str = ""
    basis: int = 0

    def refers_to(self) -> list[tuple[Kind, str, int]]:
        """The kind, the name and the version of each definition that it refers to."""
        refs = self.spec.get("refs", {}).items()
        return [
            (kind, ref.removeprefix(f"{kind}:"), number) for ref, number in refs for kind in _KINDS if ref.startswith(f"{kind}:")
        ]


@dataclass(frozen=True, slots=True)
class GroupVersion:
    """A feature group at one version.

    Attributes:
        basis: the first version that computes the same; 0 means `version` itself. A change of the owner makes a new version on
            the same basis, so what the stores hold stays valid.
    """

    group: FeatureGroup
    version: int
    basis: int = 0

    @property
    def id(self) -> str:
        """What names its values in every store, by its basis: `user_taste:2`."""
        return f"{self.group.name}:{self.basis or self.version}"


@dataclass(frozen=True, slots=True)
class ViewVersion:
    """A feature view at one version, with the group versions that it reads."""

    view: FeatureView
    version: int
    groups: Mapping[str, GroupVersion]

    @property
    def id(self) -> str:
        """What names it in every store: `ranking:3`."""
        return f"{self.view.name}:{self.version}"


def key_columns(versions: Iterable[GroupVersion]) -> tuple[tuple[str, ...], ...]:
    """The columns of a source that are the key of each group, in order; those of several groups once."""
    return tuple(dict.fromkeys(tuple(version.group.key_columns.values()) for version in versions))


def without_on_demand(view: ViewVersion) -> ViewVersion:
    """The view version without its on-demand features: what it reads, for those who compute them elsewhere."""
    return replace(view, view=replace(view.view, features=list(view.view.selections)))


def several(names: Names) -> Sequence[str] | None:
    """Names as a sequence of them; a single one isn't the sequence of its letters."""
    if names is None:
        return None
    return list(names) if isinstance(names, Iterable) and not isinstance(names, str) else [names]


def parse_reference(reference: str) -> tuple[str, int | None]:
    """`"ranking"` → ("ranking", None); `"ranking:3"` → ("ranking", 3). Raises InvalidInputError for what isn't text."""
    if not isinstance(reference, str):
        shown = repr(reference)
        shown = shown if len(shown) <= 40 else f"a {type(reference).__name__}"  # a definition is long
        msg = f"{shown} isn't a name; give text, for example 'ranking' or 'ranking:3'"
        raise InvalidInputError(msg)
    name, colon, version = reference.rpartition(":")
    if colon and version.isdigit():
        return name, int(version)
    return reference, None
