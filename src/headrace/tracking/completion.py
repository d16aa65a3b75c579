"""What may come next in a search: for the query bar of the app, and for shells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from headrace.tracking.search import RUNS, Entity, Expected, Grammar, expected

__all__ = ["Completion", "Known", "Option", "complete"]

Field = Literal["query", "order"]
MOST = 50
_STRING = re.compile(r"""(?:'[^']*|"[^"]*)$""")
_TOKEN = re.compile(r"(?:(?:\w+\.)?`[^`]*|[\w.][\w./:\-`]*|[<>=!]+)$")
_PLAIN = re.compile(r"[\w./:\-]+")
_PREFIXES: dict[Entity, str] = {"metric": "metrics", "param": "params", "tag": "tags"}


@dataclass(frozen=True, slots=True)
class Option:
    """What may stand here.

    Attributes:
        kind: metric, param, tag, attribute, comparison, value or keyword.
        runs: how many runs have it; None where that isn't counted.
    """

    text: str
    kind: str
    runs: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What may come next.

    Attributes:
        start, end: the part of the text that an option replaces, in characters.
        expects: key, comparison, value, number, keyword or nothing.
        options: the best first.
    """

    start: int
    end: int
    expects: str
    options: tuple[Option, ...]


class Known(Protocol):
    """What there is to name."""

    def keys(self, entity: Entity) -> Mapping[str, int]:
        """Keys of metrics, params or tags, each with the number of runs that have it."""
        ...

    def values(self, entity: Entity, key: str, prefix: str) -> list[str]:
        """Values that start so."""
        ...


def complete(text: str, position: int, known: Known, field: Field = "query", grammar: Grammar = RUNS) -> Completion:
    """What may come next at a position in a query or in an order."""
    before = text[: max(0, position)]
    found = _partial(before)
    start, begun = len(before) - len(found), found
    following = expected(before[:start], grammar, order=field == "order")
    options = _options(following, begun, known, grammar)
    return Completion(start, len(before), following.kind, tuple(options)[:MOST])


def _partial(before: str) -> str:
    """The token that the position is in or behind."""
    quoted = _STRING.search(before)
    if quoted and before[: quoted.start()].count(quoted[0][0]) % 2 == 0:
        return quoted[0]
    token = _TOKEN.search(before)
    return token[0] if token else ""


def _options(following: Expected, begun: str, known: Known, grammar: Grammar) -> Iterable[Option]:
    expects, entity, key = following.kind, following.entity, following.key
    if expects == "key":
        return _best(begun, _keys(known, grammar))
    if expects == "comparison":
        return _best(begun, [Option(operator, "comparison") for operator in following.operators])
    if expects == "value":
        if (entity, key) == ("attribute", "status"):
            values = ["FINISHED", "RUNNING", "FAILED", "KILLED", "SCHEDULED"]
        else:
            values = known.values(entity, key, begun[1:])
        return _best(begun, [Option(f"'{value}'", "value") for value in values if "'" not in value and "\n" not in value])
    words = {"direction": ("ASC", "DESC"), "AND": ("AND",), "NULL": ("NULL", "NOT NULL"), "IN": ("IN",)}.get(expects, ())
    return _best(begun, [Option(word, "keyword") for word in words])


def _keys(known: Known, grammar: Grammar) -> Iterable[Option]:
    for entity in grammar.operators:
        prefix = _PREFIXES.get(entity)
        if prefix is not None:
            for key, runs in known.keys(entity).items():
                shown = key if _PLAIN.fullmatch(key) else f"`{key}`"
                yield Option(f"{prefix}.{shown}", entity, runs)
    for name in grammar.attributes:
        yield Option(name, "attribute")
    if "dataset" in grammar.operators:
        yield from (Option(f"dataset.{name}", "dataset") for name in ("name", "digest", "context"))


def _best(begun: str, options: Iterable[Option]) -> list[Option]:
    """Those that have what was begun in them: at their start, at a key's start, anywhere; what the tools log themselves last."""
    sought = begun.lower().replace("`", "")

    def rank(option: Option) -> tuple[int, bool, int] | None:
        text = option.text.lower().replace("`", "")
        place = text.find(sought)
        if place < 0:
            return None
        where = 0 if place == 0 else 1 if text[place - 1] in "./" else 2
        return where, text.startswith(("tags.mlflow.", "tags.headrace.")), -(option.runs or 0)

    ranked = [(found, option) for option in options if (found := rank(option)) is not None]
    return [option for _, option in sorted(ranked, key=lambda pair: pair[0])]  # equal ones stay as they came
