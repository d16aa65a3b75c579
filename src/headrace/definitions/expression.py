"""SQL expressions over a source's columns: checked, typed and traced to columns when they are defined.

sqlglot gives the structure: columns, safety, positions. DuckDB, which computes the values, judges types on a table of one
row of nulls: what fails there fails on any null.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from headrace.definitions.schema import SQL_TYPES, Schema, is_float, is_number, sql_type
from headrace.errors import InvalidInputError, nearest

if TYPE_CHECKING:
    from types import TracebackType

    from sqlglot import exp

__all__ = ["Binder", "Expression", "check_expression", "columns_of", "may_fail"]

_RESULT_TYPES = {
    "BOOLEAN": "bool",
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "HUGEINT"), "int64"),
    "FLOAT": "float32",
    **dict.fromkeys(("DOUBLE", "DECIMAL"), "float64"),
    **dict.fromkeys(("VARCHAR", "UUID", "JSON", "ENUM"), "string"),
    "BLOB": "bytes",
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"), "timestamp"),
    "DATE": "date",
}
_WAYS_OUT = {
    "INTERVAL": "take its seconds: epoch(later) - epoch(earlier)",
    "UBIGINT": "it may exceed int64: cast it, for example CAST(x % 1000 AS BIGINT)",
    "UHUGEINT": "it may exceed int64: cast it to DOUBLE or VARCHAR",
    '"NULL"': "cast it to one",
}
_FUNCTIONS = """
    SELECT function_name, list(DISTINCT function_type), list(DISTINCT stability) FILTER (WHERE NOT coalesce(zoned, false))
    FROM (
        SELECT *, stability = 'CONSISTENT_WITHIN_QUERY' AND regexp_matches(parameter_types::VARCHAR, 'TZ|WITH TIME ZONE') AS zoned
        FROM duckdb_functions()
    ) GROUP BY 1
"""
# What depends on the query for its time zone alone doesn't vary here: the zone is UTC wherever an expression runs.
_UNSTABLE = re.compile(r"now|ago|user|session_user|version|getvariable|(current_|pg_|has_|inet_|txid_).*")
"""Functions of the moment or the place that DuckDB's own list doesn't mark as such."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression.

    Attributes:
        columns: the source's columns that it reads.
        dtype: the name of its type; empty if there are faults.
        faults: what is wrong with it, in words.
    """

    columns: frozenset[str] = frozenset()
    dtype: str = ""
    faults: tuple[str, ...] = ()


@dataclass
class Binder:
    """DuckDB as the judge of types and function names; started at first use, closed with the `with` block."""

    _connection: Any = None
    _tables: dict[tuple[tuple[str, str], ...], str] = field(default_factory=dict)
    _functions: dict[str, tuple[frozenset[str], bool]] = field(default_factory=dict)
    known: dict[tuple[str, tuple[tuple[str, str], ...]], Expression] = field(default_factory=dict)
    """What has been checked, by text and schema: groups of one source ask for the same expressions again and again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def types(self, schema: Schema, expressions: list[str]) -> list[str]:
        """DuckDB's names of the expressions' types. Raises duckdb.Error."""
        columns = ", ".join(f"({text}) AS c{number}" for number, text in enumerate(expressions))
        return [row[1] for row in self._run(f"DESCRIBE SELECT {columns} FROM {self._table(schema)}")]

    def evaluate(self, schema: Schema, expression: str) -> None:
        """Compute the expression on a row of nulls. Raises duckdb.Error for what can never work."""
        self._run(f"SELECT ({expression}) FROM {self._table(schema)}")

    def function(self, name: str) -> tuple[frozenset[str], bool]:
        """The kinds of function of this name (scalar, aggregate, window, table, macro), and whether its values are unstable."""
        if not self._functions:
            rows = self._run(_FUNCTIONS)
            for known, kinds, stabilities in rows:
                unstable = bool({"VOLATILE", "CONSISTENT_WITHIN_QUERY"} & set(stabilities or ())) or _UNSTABLE.fullmatch(known)
                self._functions[known] = frozenset(kinds), bool(unstable)
        return self._functions.get(name.lower(), (frozenset(), False))

    def function_names(self) -> list[str]:
        """The functions that an expression may call."""
        self.function("")
        found = (name for name, (kinds, unstable) in self._functions.items() if kinds & {"scalar", "macro"} and not unstable)
        return [name for name in found if name.isidentifier()]

    def _table(self, schema: Schema) -> str:
        key = tuple(schema.items())
        if key not in self._tables:
            name = f"t{len(self._tables)}"
            columns = ", ".join(f"{_quoted(column)} {sql_type(kind)}" for column, kind in key)
            self._run(f"CREATE TABLE {name} ({columns})")
            self._run(f"INSERT INTO {name} DEFAULT VALUES")
            self._tables[key] = name
        return self._tables[key]

    def _run(self, sql: str) -> list[Any]:
        if self._connection is None:
            import duckdb

            self._connection = duckdb.connect(":memory:", config={"threads": 1, "autoload_known_extensions": False})
            for setting in ("SET TimeZone = 'UTC'", "SET enable_external_access = false", "PRAGMA disable_optimizer"):
                self._connection.execute(setting)
        rows: list[Any] = self._connection.execute(sql).fetchall()
        return rows


def check_expression(text: Any, schema: Schema, binder: Binder) -> Expression:
    """Check one expression over columns of `schema`: its syntax, safety, columns, functions and types.

    An expression is one value of one row: no subqueries, aggregates or windows, and nothing that depends on the moment or
    the machine, because it must give the same value in training and in serving. Column names don't distinguish case.
    """
    if not isinstance(text, str) or not text.strip():
        return Expression(faults=(f"{text!r} isn't a SQL expression; write for example 'stars >= 4'",))
    key = text, tuple(schema.items())
    if key not in binder.known:
        binder.known[key] = _check(text, schema, binder)
    return binder.known[key]


def _check(text: str, schema: Schema, binder: Binder) -> Expression:
    try:
        return _checked(text, _parse(text), schema, binder)
    except InvalidInputError as error:
        return Expression(faults=(str(error),))
    except RecursionError:
        return Expression(faults=(f"{text[:40]!r}… is nested too deep; simplify it",))


def _checked(text: str, tree: exp.Expr, schema: Schema, binder: Binder) -> Expression:
    spelling = {name.lower(): name for name in schema}
    faults = [*_structure_faults(text, tree), *_function_faults(text, tree, binder), *_column_faults(text, tree, schema)]
    columns = frozenset(spelling[name.lower()] for name in _column_names(tree) if name.lower() in spelling)
    if faults:
        return Expression(columns, "", tuple(dict.fromkeys(faults)))
    dtype, faults = _type(text, tree, schema, binder)
    whole = tree.unnest()
    if not faults and _is_column(whole):
        dtype = schema[spelling[whole.name.lower()]]
    return Expression(columns, "" if faults else dtype, tuple(faults))


def columns_of(expression: str, schema: Schema | None = None) -> set[str]:
    """The columns that an expression reads, as it spells them, or as `schema` spells them if that is given.

    Raises:
        InvalidInputError: it isn't one SQL expression.
    """
    spelling = {name.lower(): name for name in schema or ()}
    return {spelling.get(name.lower(), name) for name in _columns_as_written(expression)}


def may_fail(expression: str, schema: Schema) -> bool:
    """Whether a row may be there that a checked expression can't be evaluated on. True where that isn't plain to see: only
    columns of numbers, as they are or compared with numbers, are sure never to fail."""
    from sqlglot import exp

    kinds = {name.lower(): kind for name, kind in schema.items()}
    tree = _parse(expression)
    if isinstance(tree, exp.Cast):
        inner, target = tree.this.unnest(), tree.to
        kind = kinds.get(inner.name.lower(), "") if _is_column(inner) else ""
        same = kind in SQL_TYPES and target == exp.DataType.build(SQL_TYPES[kind], dialect="duckdb")
        return not (same or (is_number(kind) and target == exp.DataType.build("DOUBLE")))
    sure = (exp.Coalesce, exp.Paren, exp.And, exp.Or, exp.Not, exp.Boolean, exp.Null, exp.Is, exp.Identifier)
    compared = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
    columns = [kinds.get(node.name.lower(), "") for node in tree.find_all(exp.Column)]
    whole = all(node.is_int for node in tree.find_all(exp.Literal))
    if not all(is_float(kind) or (whole and is_number(kind)) for kind in columns):
        return True
    return not all(isinstance(node, (*sure, *compared, exp.Column)) or _is_number_literal(node) for node in tree.walk())


def _is_number_literal(node: exp.Expr) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Literal) and not node.is_string


@lru_cache(maxsize=4096)
def _columns_as_written(expression: str) -> tuple[str, ...]:
    return tuple(_column_names(_parse(expression)))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _parse(text: str) -> exp.Expr:
    """The tree of the one expression in `text`. Parsed behind SELECT, or words like SHOW would start a statement."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError, TokenError

    try:
        _refuse_tokens(text)
        statements = sqlglot.parse("SELECT " + text, dialect="duckdb")
    except TokenError as error:
        msg = f"{text!r} has an unclosed quote or an unknown character"
        raise InvalidInputError(msg) from error
    except ParseError as error:
        raise InvalidInputError(_syntax_fault(text, error.errors[0])) from error
    root = statements[0]
    clauses = [] if root is None else [name for name, value in root.args.items() if value and name != "expressions"]
    if not isinstance(root, exp.Select) or len(root.expressions) != 1 or clauses:
        msg = f"{text!r} isn't one expression; write a value over the columns of one row, without SELECT, FROM or commas"
        raise InvalidInputError(msg)
    tree: exp.Expr = root.expressions[0]
    return tree


def _refuse_tokens(text: str) -> None:
    from sqlglot import tokenize
    from sqlglot.tokens import TokenType  # type: ignore[attr-defined]  # where every version has it

    tokens = tokenize(text, read="duckdb")
    if any(token.token_type == TokenType.SEMICOLON for token in tokens):
        msg = f"{text!r} holds more than one statement; write one expression, without ';'"
        raise InvalidInputError(msg)
    if any(token.token_type == TokenType.HASH for token in tokens):
        msg = f"{text!r} has '#'; name the column instead of its position"
        raise InvalidInputError(msg)
    if not tokens or any(token.comments for token in tokens):
        msg = f"{text!r} holds a comment; say it in description= instead"
        raise InvalidInputError(msg)


def _syntax_fault(text: str, error: Mapping[str, Any]) -> str:
    marked, line = error.get("highlight") or "", error.get("line") or 1
    column = (error.get("col") or 1) - max(len(marked), 1) + 1 - (len("SELECT ") if line == 1 else 0)
    where = f"line {line}, column {max(column, 1)}" if "\n" in text else f"column {max(column, 1)}"
    reason = re.sub(r"Required keyword: '\w+' missing for .*", "something is missing", error["description"])
    return f"{text!r} isn't valid SQL at {where}, near {marked!r}: {reason}"


def _is_column(node: exp.Expr) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Column)


def _column_names(tree: exp.Expr) -> list[str]:
    from sqlglot import exp

    return list(dict.fromkeys(node.name for node in tree.find_all(exp.Column) if not isinstance(node.this, exp.Star)))


def _structure_faults(text: str, tree: exp.Expr) -> Iterator[str]:
    from sqlglot import exp

    refused: list[tuple[tuple[type[exp.Expr], ...], str]] = [
        ((exp.Query, exp.Subquery, exp.Exists), "a subquery"),
        ((exp.Window,), "a window function; use an aggregation with a window, for example hr.mean('stars', '7d')"),
        ((exp.UDTF, exp.Explode), "a function that makes several rows"),
        ((exp.Dot,), "a dot before a function; write it around its argument, for example upper(title)"),
        ((exp.Alias,), "AS; the feature's name is its key in features="),
        ((exp.Placeholder, exp.Parameter), "a parameter; write the value itself"),
        ((exp.Columns,), "COLUMNS(); name one column"),
    ]
    for node in tree.walk():
        yield from (f"{text!r} has {words}" for kinds, words in refused if isinstance(node, kinds))
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.AggFunc | exp.Columns):
            yield f"{text!r} has '*'; name one column"


def _function_faults(text: str, tree: exp.Expr, binder: Binder) -> Iterator[str]:
    unstable = []
    for name in _called(text):
        kinds, is_unstable = binder.function(name)
        if "scalar" not in kinds and "macro" not in kinds and kinds & {"aggregate", "window"}:
            yield f"{text!r} has the aggregate {name}(); aggregate with hr.sum, hr.mean, … over a plain expression"
        elif kinds and kinds <= {"table", "table_macro", "pragma"}:
            yield f"{text!r} has {name}(), which reads a table; only the columns of the row may be read"
        elif is_unstable or (name == "age" and _one_argument(tree, "age")):
            unstable.append(f"{name}()")
    if not unstable:
        words = ("Current", "Local", "SessionUser", "Utc")
        unstable = [node.sql("duckdb").lower() for node in tree.walk() if type(node).__name__.startswith(words)]
    for call in unstable:
        yield f"{text!r} has {call}, whose value depends on when or where it runs: training and serving would differ"


def _called(text: str) -> list[str]:
    """The names, lower case, that are followed by a parenthesis."""
    from sqlglot import tokenize
    from sqlglot.tokens import TokenType  # type: ignore[attr-defined]  # where every version has it

    names = []
    for token, after in pairwise(tokenize(text, read="duckdb")):
        if after.token_type == TokenType.L_PAREN and token.token_type != TokenType.STRING:
            names.append(token.text.lower())
    return list(dict.fromkeys(names))


def _one_argument(tree: exp.Expr, name: str) -> bool:
    from sqlglot import exp

    return any(node.name.lower() == name and len(node.expressions) == 1 for node in tree.find_all(exp.Anonymous))


def _column_faults(text: str, tree: exp.Expr, schema: Schema) -> Iterator[str]:
    from sqlglot import exp

    known = {name.lower() for name in schema}
    for node in tree.find_all(exp.Column):
        if isinstance(node.this, exp.Star):
            continue
        if node.table:
            yield f"{text!r} has {node.sql('duckdb')!r}; write the column alone, without a table name"
        elif node.name.lower() not in known:
            yield f"{text!r} has the unknown column {node.name!r}{nearest(node.name, schema)}"


def _type(text: str, tree: exp.Expr, schema: Schema, binder: Binder) -> tuple[str, list[str]]:
    import duckdb

    try:
        found = binder.types(schema, [text])[0]
        faults = list(_operand_faults(text, tree, schema, binder))
        if not faults:
            binder.evaluate(schema, text)
    except duckdb.Error as error:
        return "", [f"{text!r}: {_reason(str(error), binder)}"]
    vector = re.fullmatch(r"FLOAT\[(\d+)\]", found)
    known = f"vector[{vector[1]}]" if vector else _RESULT_TYPES.get(re.sub(r"\(.*\)$", "", found))
    if known is None:
        faults.append(f"{text!r} is {found}, which isn't a column type; {_WAYS_OUT.get(found, 'cast it to one')}")
    return known or "", faults


def _reason(message: str, binder: Binder) -> str:
    """DuckDB's message, cut to what the author of an expression needs."""
    unknown = re.search(r"Function with name \"?(\w+)\"? does not exist", message)
    if unknown:
        close = difflib.get_close_matches(unknown[1].lower(), binder.function_names(), n=1)
        return f"no function named {unknown[1]!r}" + (
            f"; did you mean {close[0]!r}?" if close else "; use one of DuckDB's scalar functions"
        )
    mismatch = re.search(r"given name and argument types '(.+?)\((.*?)\)'", message)
    if mismatch:
        return f"{mismatch[1]!r} doesn't take ({mismatch[2]}); cast what doesn't fit"
    return re.sub(r"^[\w ]+ Error: ", "", message.strip().split("\n")[0])


def _operand_faults(text: str, tree: exp.Expr, schema: Schema, binder: Binder) -> Iterator[str]:
    """What DuckDB would cast silently and then fail on, row by row: text as a number, numbers and text as conditions."""
    from sqlglot import exp

    logical: list[exp.Expr] = []
    pairs: list[tuple[exp.Expr, exp.Expr]] = []
    for node in tree.walk():
        if node.find_ancestor(exp.Lambda):
            continue
        if isinstance(node, exp.And | exp.Or | exp.Not):
            logical.extend(part for part in (node.this, node.args.get("expression")) if part is not None)
        pairs.extend(_compared(node))
    parts = [*logical, *(part for pair in pairs for part in pair)]
    if not parts:
        return
    types = dict(zip(map(id, parts), binder.types(schema, [part.sql("duckdb") for part in parts]), strict=True))
    for part in logical:
        if types[id(part)] not in ("BOOLEAN", '"NULL"'):
            yield f"{text!r}: {part.sql('duckdb')} is {types[id(part)]}, not a condition; compare it with something"
    for left, right in pairs:
        for one, other in ((left, right), (right, left)):
            if types[id(one)] == "VARCHAR" and _is_number(types[id(other)]) and not one.unnest().is_string:
                yield (
                    f"{text!r} compares the text {one.sql('duckdb')} with the number {other.sql('duckdb')}; "
                    f"cast one: TRY_CAST({one.sql('duckdb')} AS DOUBLE)"
                )


def _compared(node: exp.Expr) -> list[tuple[exp.Expr, exp.Expr]]:
    from sqlglot import exp

    if isinstance(node, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE | exp.NullSafeEQ | exp.NullSafeNEQ):
        return [(node.this, node.expression)]
    if isinstance(node, exp.In):
        return [(node.this, item) for item in node.expressions]
    return []


def _is_number(duckdb_type: str) -> bool:
    return _RESULT_TYPES.get(re.sub(r"\(.*\)$", "", duckdb_type)) in ("int64", "float32", "float64")
