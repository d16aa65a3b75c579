"""The search grammar: MLflow's filters and orders over runs, as text → tuples of comparisons.

filter      comparison (AND comparison)*
comparison  key (= | != | > | >= | < | <=) value · key [NOT] IN (values) · key (LIKE | ILIKE) pattern · key IS [NOT] NULL
key         metrics.auc · params.depth · tags.`a b` · attributes.status · status · dataset.name
order       key [ASC | DESC]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from headrace.errors import InvalidInputError, nearest

__all__ = ["Comparison", "Entity", "Order", "Value", "parse_filter", "parse_order"]

Entity = Literal["metric", "param", "tag", "attribute", "dataset"]
Value = str | float | tuple[str, ...] | None

_ENTITIES: dict[str, Entity] = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
_ATTRIBUTES = ("run_id", "run_name", "status", "user_id", "artifact_uri", "start_time", "end_time")
_ALIASES = {
    "created": "start_time",
    "Created": "start_time",
    "run name": "run_name",
    "Run name": "run_name",
    "Run Name": "run_name",
}
_TIMES = ("start_time", "end_time")
_DATASET_KEYS = ("name", "digest", "context")
_NUMERIC = ("=", "!=", ">", ">=", "<", "<=")
_TEXT = ("=", "!=", "LIKE", "ILIKE")
_NULLS = ("IS NULL", "IS NOT NULL")
_LISTS = ("IN", "NOT IN")

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<key>(?:`\w+`|\w+)\s*\.\s*(?:`[^`]*(?:``[^`]*)*`|"[^"]*"|'[^']*')|`\w+`\s*\.[\w./:\-]+|`[^`]*(?:``[^`]*)*`)
      | (?P<string>'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*")
      | (?P<operator>!=|<>|==|>=|<=|=|<|>)
      | (?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<word>[\w.][\w./:\-]*)
      | (?P<punctuation>[(),])
      | (?P<other>\S)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition of a filter.

    Attributes:
        entity, key: what is compared, for example ("metric", "auc").
        operator: `= != > >= < <=`, LIKE, ILIKE, IN, NOT IN, IS NULL, IS NOT NULL.
        value: a float for metrics and times (milliseconds since 1970), else text; a tuple for IN; None for IS.
    """

    entity: Entity
    key: str
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Order:
    """One key of an order."""

    entity: Entity
    key: str
    ascending: bool = True


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


def parse_filter(text: str) -> tuple[Comparison, ...]:
    """The comparisons of a filter, all of which must hold; none for an empty text.

    Raises:
        InvalidInputError: a fault in the text; the message shows the text with a mark under the token.
    """
    return _Parser(text).filter()


def parse_order(clauses: str | tuple[str, ...] | list[str]) -> tuple[Order, ...]:
    """The order of `"metrics.auc DESC"` or several of them.

    Raises:
        InvalidInputError: a fault in a clause, or a key that comes twice.
    """
    orders = tuple(_Parser(clause).order() for clause in ([clauses] if isinstance(clauses, str) else clauses))
    for index, order in enumerate(orders):
        if any((order.entity, order.key) == (other.entity, other.key) for other in orders[:index]):
            msg = f"`order_by` contains duplicate fields: {order.entity} {order.key!r} comes twice; keep one"
            raise InvalidInputError(msg)
    return orders


class _Parser:
    """Recursive descent over one text. The parser holds the position; every fault points at a token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [
            _Token(str(m.lastgroup), m.group(str(m.lastgroup)), m.start(str(m.lastgroup))) for m in _TOKEN.finditer(text)
        ]
        self.at = 0

    def filter(self) -> tuple[Comparison, ...]:
        found: list[Comparison] = []
        while self.at < len(self.tokens):
            if found:
                self.keyword("AND")
            found.append(self.comparison())
        return tuple(found)

    def order(self) -> Order:
        entity, key = self.key()
        if entity == "dataset":
            self.fail("runs can't be ordered by a dataset", self.tokens[0])
        direction = self.take("ASC or DESC").text.upper() if self.at < len(self.tokens) else "ASC"
        if direction not in ("ASC", "DESC"):
            self.fail("Invalid ordering key; a key is followed by ASC or DESC", self.tokens[self.at - 1])
        if self.at < len(self.tokens):
            self.fail("Invalid order_by clause; one clause holds one key; give several as a list", self.tokens[self.at])
        return Order(entity, key, direction == "ASC")

    def comparison(self) -> Comparison:
        token = self.peek()
        if token is not None and (token.text in ("(", ")") or token.text.upper() in ("OR", "NOT")):
            self.fail(
                "Invalid clause(s) in filter string: there is no OR, NOT or parenthesis; conditions are joined by AND", token
            )
        entity, key = self.key()
        operator_token = self.peek()
        operator = self.operator()
        allowed = _allowed(entity, key)
        if operator not in allowed:
            if entity == "metric" and operator == "LIKE":
                self.fail("Expected numeric value type for metric: a metric is compared with a number", operator_token)
            self.fail(f"Invalid comparator {operator!r} for {entity} {key!r}; use one of: {', '.join(allowed)}", operator_token)
        return Comparison(entity, key, operator, self.value(entity, key, operator))

    def key(self) -> tuple[Entity, str]:
        token = self.take("a key such as metrics.auc, params.depth, tags.team or status")
        if token.kind == "string":
            prefix, name = "attribute", token.text[1:-1]
        elif token.kind == "key" and token.text.startswith("`") and "." not in token.text.split("`")[2]:
            prefix, name = "attribute", _unquote(token.text)
        elif token.kind in ("key", "word"):
            prefix, name = _split(token.text)
        else:
            self.fail("Invalid clause(s) in filter string: expected a key such as metrics.auc or status", token)
        if prefix not in _ENTITIES:
            self.fail(f"Invalid entity type {prefix!r}; valid are metrics, params, tags, attributes, datasets", token)
        entity = _ENTITIES[prefix]
        if entity == "attribute":
            name = _ALIASES.get(name, name)
            self.known(name, _ATTRIBUTES, "attribute", token)
        if entity == "dataset":
            self.known(name, _DATASET_KEYS, "dataset", token)
        return entity, name

    def known(self, name: str, names: tuple[str, ...], kind: str, token: _Token) -> None:
        if name not in names:
            hint = "; a metric, param or tag needs its prefix, for example metrics.auc" if kind == "attribute" else ""
            self.fail(f"Invalid {kind} key {name!r} specified{nearest(name, names)}{hint}", token)

    def operator(self) -> str:
        token = self.take("a comparison such as = or >")
        text = token.text.upper()
        if text == "IS":
            negated = self.skip("NOT")
            self.keyword("NULL")
            return "IS NOT NULL" if negated else "IS NULL"
        if text == "NOT":
            self.keyword("IN")
            return "NOT IN"
        if token.kind != "operator" and text not in ("LIKE", "ILIKE", "IN"):
            self.fail("Invalid comparison clause: expected one of = != > >= < <= LIKE ILIKE IN IS", token)
        return text

    def value(self, entity: Entity, key: str, operator: str) -> Value:
        if operator in _NULLS:
            return None
        if operator in _LISTS:
            return self.strings()
        number = entity == "metric" or (entity == "attribute" and key in _TIMES)
        token = self.take("a number" if number else "a quoted string")
        if number:
            what = "metric" if entity == "metric" else f"numeric attribute: {key}"
            if token.kind != "number" or token.text.startswith("+"):
                self.fail(f"Expected numeric value type for {what}", token)
            return float(token.text)
        if token.kind != "string":
            self.fail(f"Expected a quoted string value for {entity} {key!r}, for example '{token.text}'", token)
        return token.text[1:-1]

    def strings(self) -> tuple[str, ...]:
        self.punctuation("(")
        found: list[str] = []
        while True:
            token = self.take("a quoted string")
            if token.text == ")" and found:
                return tuple(found)
            if token.kind != "string":
                self.fail("Expected a quoted string value in the list", token)
            found.append(token.text[1:-1])
            if self.skip(")"):
                return tuple(found)
            self.punctuation(",")

    def peek(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, expected: str) -> _Token:
        if self.at >= len(self.tokens):
            self.fail(f"the text ends where {expected} is expected", None)
        self.at += 1
        return self.tokens[self.at - 1]

    def skip(self, text: str) -> bool:
        token = self.peek()
        if token is None or token.text.upper() != text:
            return False
        self.at += 1
        return True

    def keyword(self, word: str) -> None:
        token = self.take(word)
        if token.text.upper() != word:
            hint = "; there is no OR, NOT, parenthesis or semicolon" if word == "AND" else ""
            self.fail(f"Invalid clause(s) in filter string: {token.text!r}, expected {word}{hint}", token)

    def punctuation(self, mark: str) -> None:
        token = self.take(repr(mark))
        if token.text != mark:
            self.fail(f"expected {mark!r} around a list of quoted strings", token)

    def fail(self, message: str, token: _Token | None) -> NoReturn:
        """The fault with a mark under its token."""
        start = len(self.text) if token is None else token.start
        width = 1 if token is None else len(token.text)
        shown = self.text.replace("\n", " ").replace("\t", " ")
        first = max(0, start - 60)
        line = shown[first : start + max(width, 60)]
        msg = f"{message}\n  {line}\n  {' ' * (start - first)}{'^' * min(width, 60)}"
        raise InvalidInputError(msg)


def _allowed(entity: Entity, key: str) -> tuple[str, ...]:
    if entity == "metric" or (entity == "attribute" and key in _TIMES):
        return _NUMERIC
    if entity in ("param", "tag"):
        return _TEXT + _NULLS
    return _TEXT + (_LISTS if entity == "dataset" or key == "run_id" else ())


def _split(text: str) -> tuple[str, str]:
    prefix, dot, name = text.partition(".")
    if not dot:
        return "attribute", text
    return _unquote(prefix.strip()), _unquote(name.strip())


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "`\"'" else text
