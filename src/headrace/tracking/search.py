"""The search grammar: MLflow's filters and orders, as text → tuples of comparisons. What may be named in them differs from thing
to thing and is a Grammar.

filter      comparison (AND comparison)*
comparison  key (= | != | > | >= | < | <=) value · key [NOT] IN (values) · key (LIKE | ILIKE) pattern · key IS [NOT] NULL
key         metrics.auc · params.depth · tags.`a b` · attributes.status · status · dataset.name
order       key [ASC | DESC]
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from headrace.arguments import is_text
from headrace.errors import InvalidInputError, QueryError, closest, nearest

__all__ = [
    "EXPERIMENTS",
    "LOGGED_MODELS",
    "MODEL_VERSIONS",
    "REGISTERED_MODELS",
    "RUNS",
    "Comparison",
    "Entity",
    "Expected",
    "Grammar",
    "ModelOrder",
    "Order",
    "Value",
    "check_few",
    "expected",
    "parse_filter",
    "parse_order",
]

Entity = Literal["metric", "param", "tag", "attribute", "dataset"]
Value = str | float | tuple[str, ...] | None

_NUMERIC = ("=", "!=", ">", ">=", "<", "<=")
_TEXT = ("=", "!=", "LIKE", "ILIKE")
_NULLS = ("IS NULL", "IS NOT NULL")
_LISTS = ("IN", "NOT IN")
_EQUAL_SIGNS = {"==": "=", "<>": "!="}
_LONGEST_TEXT = 100_000
"""A filter of a megabyte is a mistake, or an attack on the parser."""
_MOST_COMPARISONS = 500
_MOST_KEYS = 20
"""To order by. Each is a join: SQLite's planner takes 64 at most, and some versions of it crash from 32 on."""

_PREFIXES: dict[Entity, tuple[str, ...]] = {
    "metric": ("metric", "metrics"),
    "param": ("param", "params", "parameter", "parameters"),
    "tag": ("tag", "tags"),
    "attribute": ("attribute", "attributes", "attr", "run"),
    "dataset": ("dataset", "datasets"),
}


@dataclass(frozen=True)
class Grammar:
    """What may stand in a search for one kind of thing.

    Attributes:
        things: their name in messages.
        attributes: each with the operators that it takes; one with `>` is a number.
        operators: those of the other entities; an entity that isn't here can't be named.
        aliases: other spellings of attributes.
        sortable: attributes to order by. Default: all.
        sorted_by: entities to order by.
    """

    things: str
    attributes: Mapping[str, tuple[str, ...]]
    operators: Mapping[Entity, tuple[str, ...]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    sortable: tuple[str, ...] = ()
    sorted_by: tuple[Entity, ...] = ("attribute",)

    @property
    def entities(self) -> dict[str, Entity]:
        """Entity by the prefix that names it."""
        return {prefix: entity for entity in ("attribute", *self.operators) for prefix in _PREFIXES[entity]}


_DATASET_KEYS = ("name", "digest", "context")

RUNS = Grammar(
    "runs",
    attributes={
        "run_id": _TEXT + _LISTS,
        "run_name": _TEXT,
        "status": _TEXT,
        "user_id": _TEXT,
        "artifact_uri": _TEXT,
        "start_time": _NUMERIC,
        "end_time": _NUMERIC,
    },
    operators={"metric": _NUMERIC, "param": _TEXT + _NULLS, "tag": _TEXT + _NULLS, "dataset": _TEXT + _LISTS},
    aliases={
        "created": "start_time",
        "Created": "start_time",
        "run name": "run_name",
        "Run name": "run_name",
        "Run Name": "run_name",
    },
    sorted_by=("attribute", "metric", "param", "tag"),
)
EXPERIMENTS = Grammar(
    "experiments",
    attributes={
        "name": _TEXT,
        "experiment_id": ("=", "!=", *_LISTS),
        "creation_time": _NUMERIC,
        "last_update_time": _NUMERIC,
    },
    operators={"tag": _TEXT + _NULLS},
)
REGISTERED_MODELS = Grammar(
    "registered models",
    attributes={"name": _TEXT + _LISTS, "creation_timestamp": _NUMERIC, "last_updated_timestamp": _NUMERIC},
    operators={"tag": _TEXT},
    aliases={"timestamp": "last_updated_timestamp"},
)
MODEL_VERSIONS = Grammar(
    "model versions",
    attributes={
        "name": _TEXT + _LISTS,
        "run_id": _TEXT + _LISTS,
        "source_path": _TEXT,
        "version_number": _NUMERIC,
        "creation_timestamp": _NUMERIC,
        "last_updated_timestamp": _NUMERIC,
    },
    operators={"tag": _TEXT},
    sortable=("name", "version_number", "creation_timestamp", "last_updated_timestamp"),
)
LOGGED_MODELS = Grammar(
    "logged models",
    attributes={
        "name": _TEXT + _LISTS,
        "model_id": _TEXT + _LISTS,
        "model_type": _TEXT + _LISTS,
        "status": _TEXT + _LISTS,
        "source_run_id": _TEXT + _LISTS,
        "creation_timestamp": _NUMERIC,
        "last_updated_timestamp": _NUMERIC,
    },
    operators={"metric": _NUMERIC, "param": _TEXT + _LISTS, "tag": _TEXT + _LISTS},
    aliases={
        "creation_time": "creation_timestamp",
        "creation_timestamp_ms": "creation_timestamp",
        "last_updated_time": "last_updated_timestamp",
        "last_updated_timestamp_ms": "last_updated_timestamp",
    },
    sorted_by=("attribute", "metric"),
)

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
        value: a float for numbers (times are milliseconds since 1970), else text; a tuple for IN; None for IS.
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
class ModelOrder:
    """One key of an order of logged models; a metric may be meant on some data alone, empty texts for any."""

    key: Order
    dataset_name: str = ""
    dataset_digest: str = ""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


def parse_filter(text: str, grammar: Grammar = RUNS) -> tuple[Comparison, ...]:
    """The comparisons of a filter, all of which must hold; none for an empty text.

    Raises:
        QueryError: a fault in the text; the message shows the text with a mark under the token.
    """
    found = _Parser(text, grammar).filter()
    if len(found) > _MOST_COMPARISONS:
        msg = f"a filter has at most {_MOST_COMPARISONS} comparisons, not {len(found):,}; ask in several searches"
        raise InvalidInputError(msg)
    return found


def parse_order(clauses: str | Sequence[str], grammar: Grammar = RUNS) -> tuple[Order, ...]:
    """The order of `"metrics.auc DESC"` or several of them.

    Raises:
        QueryError: a fault in a clause.
        InvalidInputError: a key that comes twice, or very many keys.
    """
    listed = [clauses] if isinstance(clauses, str) else clauses
    check_few(listed)
    orders = tuple(_Parser(clause, grammar).order() for clause in listed)
    seen: set[tuple[Entity, str]] = set()
    for order in orders:
        if (order.entity, order.key) in seen:
            msg = f"`order_by` contains duplicate fields: {order.entity} {order.key!r} comes twice; keep one"
            raise InvalidInputError(msg)
        seen.add((order.entity, order.key))
    return orders


def check_few(keys: Sequence[object]) -> None:
    """Refuse an order of more keys than a database joins. Raises InvalidInputError."""
    if len(keys) > _MOST_KEYS:
        msg = f"runs and models are ordered by at most {_MOST_KEYS} keys, not {len(keys):,}; leave out the last ones"
        raise InvalidInputError(msg)


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come next in a text that was begun.

    Attributes:
        kind: key, comparison, value, number, direction, a word such as AND, or nothing.
        entity, key: what was named last.
        operators: those that it takes.
    """

    kind: str
    entity: Entity
    key: str
    operators: tuple[str, ...] = ()


def expected(text: str, grammar: Grammar = RUNS, *, order: bool = False) -> Expected:
    """What must come next after the beginning of a filter, or of a clause of an order. Never raises for a fault."""
    parser = _Parser(text[:_LONGEST_TEXT], grammar)
    kind = "key"
    try:
        if parser.tokens and order:
            parser.order()
            kind = "direction" if len(parser.tokens) == 1 else "nothing"
        elif parser.tokens:
            parser.filter()
            kind = "AND"
    except QueryError as fault:
        kind = parser.wanted if fault.start == len(parser.text) and not fault.length else "nothing"
    operators = parser.allowed(*parser.named) if kind == "comparison" else ()
    return Expected(kind, *parser.named, operators)


class _Parser:
    """Recursive descent over one text. The parser holds the position; every fault points at a token.

    Attributes:
        wanted: what was looked for last: key, comparison, value, number, or the word itself. A completion offers that.
        named: the entity and the key that were read last.
    """

    def __init__(self, text: str, grammar: Grammar) -> None:
        if not isinstance(text, str):
            msg = f"a filter or an order is text, not of type {type(text).__name__}"
            raise InvalidInputError(msg)
        if len(text) > _LONGEST_TEXT:
            msg = f"a filter or an order has at most {_LONGEST_TEXT:,} characters, not {len(text):,}"
            raise InvalidInputError(msg)
        if not is_text(text):
            msg = "a filter or an order holds NUL or half of a character, which nothing that was logged does; take that out"
            raise InvalidInputError(msg)
        self.text = text
        self.grammar = grammar
        self.entities = grammar.entities
        self.tokens = [
            _Token(str(m.lastgroup), m.group(str(m.lastgroup)), m.start(str(m.lastgroup))) for m in _TOKEN.finditer(text)
        ]
        self.at = 0
        self.wanted = "key"
        self.named: tuple[Entity, str] = ("attribute", "")

    def filter(self) -> tuple[Comparison, ...]:
        found: list[Comparison] = []
        while self.at < len(self.tokens):
            if found:
                self.keyword("AND")
            found.append(self.comparison())
        return tuple(found)

    def order(self) -> Order:
        entity, key = self.key()
        if entity not in self.grammar.sorted_by:
            self.fail(f"{self.grammar.things} can't be ordered by a {entity}", self.tokens[0])
        if entity == "attribute" and self.grammar.sortable:
            self.known(key, self.grammar.sortable, "attribute", self.tokens[0])
        direction = self.take("ASC or DESC", "direction").text.upper() if self.at < len(self.tokens) else "ASC"
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
        entity, key = self.named = self.key()
        operator_token = self.peek()
        operator = self.operator()
        allowed = self.allowed(entity, key)
        if operator not in allowed:
            if entity == "metric" and operator == "LIKE":
                self.fail("Expected numeric value type for metric: a metric is compared with a number", operator_token)
            said = f"Invalid comparator {operator!r} for {entity} {key!r}; use one of: {', '.join(allowed)}"
            self.fail(said, operator_token, _EQUAL_SIGNS.get(operator))
        return Comparison(entity, key, operator, self.value(entity, key, operator))

    def key(self) -> tuple[Entity, str]:
        token = self.take("a key such as metrics.auc, params.depth, tags.team or status", "key")
        if token.kind == "string":
            prefix, name = "attribute", token.text[1:-1]
        elif token.kind == "key" and token.text.startswith("`") and "." not in token.text.split("`")[2]:
            prefix, name = "attribute", _unquote(token.text)
        elif token.kind in ("key", "word"):
            prefix, name = _split(token.text)
        else:
            self.fail("Invalid clause(s) in filter string: expected a key such as metrics.auc or status", token)
        if prefix not in self.entities:
            valid = ", ".join(f"{entity}s" for entity in (*self.grammar.operators, "attribute"))
            meant = closest(prefix, [_PREFIXES[entity][-1] for entity in (*self.grammar.operators, "attribute")])
            suggestion = None if meant is None else token.text.replace(prefix, meant, 1)
            self.fail(f"Invalid entity type {prefix!r}; valid are {valid}", token, suggestion)
        entity = self.entities[prefix]
        if entity == "attribute":
            name = self.grammar.aliases.get(name, name)
            self.known(name, tuple(self.grammar.attributes), "attribute", token)
        if entity == "dataset":
            self.known(name, _DATASET_KEYS, "dataset", token)
        return entity, name

    def known(self, name: str, names: tuple[str, ...], kind: str, token: _Token) -> None:
        if name not in names:
            prefixed = kind == "attribute" and self.grammar.operators
            hint = f"; a {' or '.join(self.grammar.operators)} needs its prefix, for example {self.example()}" if prefixed else ""
            meant = closest(name, names)
            if meant is None and "metric" in self.grammar.operators and token.kind == "word" and "." not in name:
                meant = f"metrics.{name}"
            elif meant is not None and kind == "dataset":
                meant = f"dataset.{meant}"
            self.fail(f"Invalid {kind} key {name!r} specified{nearest(name, names)}{hint}", token, meant)

    def example(self) -> str:
        return "metrics.auc" if "metric" in self.grammar.operators else "tags.team"

    def allowed(self, entity: Entity, key: str) -> tuple[str, ...]:
        return self.grammar.attributes[key] if entity == "attribute" else self.grammar.operators[entity]

    def operator(self) -> str:
        token = self.take("a comparison such as = or >", "comparison")
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
        number = ">" in self.allowed(entity, key)
        token = self.take("a number", "number") if number else self.take("a quoted string", "value")
        if number:
            what = "metric" if entity == "metric" else f"numeric attribute: {key}"
            if token.kind != "number" or token.text.startswith("+"):
                self.fail(f"Expected numeric value type for {what}", token)
            return float(token.text)
        if token.kind != "string":
            said = f"Expected a quoted string value for {entity} {key!r}, for example '{token.text}'"
            self.fail(said, token, None if token.kind not in ("number", "word") else f"'{token.text}'")
        return token.text[1:-1]

    def strings(self) -> tuple[str, ...]:
        self.punctuation("(")
        found: list[str] = []
        while True:
            token = self.take("a quoted string", "value")
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

    def take(self, expected: str, kind: str) -> _Token:
        self.wanted = kind
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
        token = self.take(word, word)
        if token.text.upper() != word:
            hint = "; there is no OR, NOT, parenthesis or semicolon" if word == "AND" else ""
            self.fail(f"Invalid clause(s) in filter string: {token.text!r}, expected {word}{hint}", token)

    def punctuation(self, mark: str) -> None:
        token = self.take(repr(mark), "nothing")
        if token.text != mark:
            self.fail(f"expected {mark!r} around a list of quoted strings", token)

    def fail(self, message: str, token: _Token | None, suggestion: str | None = None) -> NoReturn:
        """The fault at its token, or at the end of the text."""
        start, length = (len(self.text), 0) if token is None else (token.start, len(token.text))
        raise QueryError(message, self.text, start, length, suggestion)


def _split(text: str) -> tuple[str, str]:
    prefix, dot, name = text.partition(".")
    if not dot:
        return "attribute", text
    return _unquote(prefix.strip()), _unquote(name.strip())


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "`\"'" else text
