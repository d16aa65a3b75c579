"""Online answers as plain values: columns whole, a status one byte, what groups share once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.definitions.version import ViewVersion
from headrace.features.values import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT

if TYPE_CHECKING:
    from headrace.features.lookup import OnlineFeatures

__all__ = ["Shape", "answer_from", "answer_to", "shape_from", "shape_of", "version_of"]

_STATUSES = (PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE)
_CODES = {status: code for code, status in enumerate(_STATUSES)}


@dataclass(frozen=True, slots=True)
class Shape:
    """What stays the same from answer to answer of one view version.

    Attributes:
        version: what tells this shape from another of the same view: `ranking:3`, and who computes its on-demand features.
        view: the view version, `ranking:3`.
        keys: join key to the name of its type.
        inputs: the columns of the request that on-demand features take.
        types: the types of join keys and features.
        computed: whether the server computes the on-demand features; else whoever asked has to.
    """

    version: str
    view: str
    keys: Mapping[str, str]
    inputs: tuple[str, ...]
    types: Mapping[str, str]
    computed: bool


def version_of(view: str, *, computed: bool) -> str:
    """What tells the shape of a view version's answers from any other."""
    return view if computed else f"{view} without on-demand features"


def shape_of(view: ViewVersion, *, computed: bool) -> Shape:
    """The shape of a view's answers."""
    from headrace.features.lookup import types_of

    asked = view.view
    return Shape(
        version_of(view.id, computed=computed), view.id, asked.request_keys, asked.request_inputs, types_of(view), computed
    )


def shape_from(values: Any) -> Shape:
    """The shape that `dataclasses.asdict` made these plain values of."""
    return Shape(**{**values, "inputs": tuple(values["inputs"])})


def answer_to(found: OnlineFeatures) -> dict[str, Any]:
    """An answer as plain values, the columns of the request left out: who asked has them."""
    tables: dict[int, int] = {}
    times: list[Sequence[int | None]] = []
    places = []
    for column in found.times.values():
        if id(column) not in tables:
            tables[id(column)] = len(times)
            times.append(column)
        places.append(tables[id(column)])
    return {
        "view": found.view,
        "at": found.at,
        "names": list(found.values),
        "values": list(found.values.values()),
        "statuses": [_coded(column) for column in found.statuses.values()],
        "times": times,
        "places": places,
    }


def answer_from(values: Any, keys: Mapping[str, list[Any]], types: Mapping[str, str]) -> OnlineFeatures:
    """The answer that `answer_to` was given.

    Args:
        keys: the columns of the request.
        types: the types of join keys and features.
    """
    from headrace.features.lookup import OnlineFeatures

    names = values["names"]
    statuses = [_decoded(column) for column in values["statuses"]]
    times = [values["times"][place] for place in values["places"]]
    return OnlineFeatures(
        values["view"],
        keys,
        dict(zip(names, values["values"], strict=True)),
        dict(zip(names, statuses, strict=True)),
        values["at"],
        dict(zip(names, times, strict=True)),
        types,
    )


def _coded(column: list[str]) -> bytes:
    if column.count(PRESENT) == len(column):  # nearly always
        return bytes(len(column))
    return bytes(map(_CODES.__getitem__, column))


def _decoded(column: bytes) -> list[str]:
    if column.count(0) == len(column):
        return [PRESENT] * len(column)
    return [_STATUSES[code] for code in column]
