"""Rows out of CSV files and JSON lines, as the types that a source declares."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from headrace.definitions.plain import from_plain, parse_time
from headrace.definitions.schema import arrow_type
from headrace.errors import InvalidInputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Batch", "batches", "csv_table", "is_csv", "lines"]


class Batch(NamedTuple):
    """Rows of consecutive lines, the first and the last of which are numbered from 1."""

    first: int
    last: int
    rows: list[dict[str, Any]]


def is_csv(path: Path) -> bool:
    """Whether a file is CSV (or TSV), by its name."""
    return path.suffix.lower() in (".csv", ".tsv")


def csv_table(path: Path, schema: Mapping[str, str]) -> pa.Table:
    """A CSV file (or TSV, by its name) with a header, its columns converted to the schema's types; empty fields are null.

    Columns that the schema doesn't name have the types that their values look like.

    Raises:
        InvalidInputError: it isn't CSV, or a value isn't of its column's type; the message names the line.
    """
    import pyarrow as pa
    from pyarrow import csv

    timestamps = [name for name, kind in schema.items() if kind == "timestamp"]
    types = {name: arrow_type("string" if kind == "timestamp" else kind) for name, kind in schema.items()}
    convert = csv.ConvertOptions(column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False)
    parse = csv.ParseOptions(delimiter="\t" if path.suffix.lower() == ".tsv" else ",", newlines_in_values=True)
    try:
        table = csv.read_csv(path, convert_options=convert, parse_options=parse)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"{path}: {str(error).removeprefix('In ')}"
        raise InvalidInputError(msg) from error
    for name in timestamps:
        if name in table.column_names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, _times(table.column(name), f"{path}: column {name!r}"))
    return table


def _times(texts: Any, where: str) -> pa.Array:
    import pyarrow as pa

    kind = pa.timestamp("us", tz="UTC")
    try:
        return texts.cast(kind)  # every value with a zone: the fast way
    except pa.ArrowInvalid:
        pass
    parsed = []
    for row, text in enumerate(texts.to_pylist()):
        try:
            parsed.append(None if text is None else parse_time(text))
        except InvalidInputError as error:
            msg = f"{where}, row {row}: {error}"
            raise InvalidInputError(msg) from error
    return pa.array(parsed, kind)


@contextlib.contextmanager
def lines(path: str) -> Iterator[TextIO]:
    """A text file's lines, or those of standard input for `-`. Raises InvalidInputError."""
    if path == "-":
        if sys.stdin.isatty():
            print("reading JSON lines from the keyboard; Ctrl-D ends them", file=sys.stderr)  # noqa: T201
        yield sys.stdin
        return
    try:
        file = Path(path).expanduser().open(encoding="utf-8")
    except OSError as error:
        msg = f"{path} can't be read: {error.strerror}"
        raise InvalidInputError(msg) from error
    with file:
        yield file


def batches(stream: Iterable[str], schema: Mapping[str, str], count: int) -> Iterator[Batch]:
    """Rows of JSON lines in batches of `count`; empty lines are skipped.

    Raises:
        InvalidInputError: a line isn't a JSON object, or a value in it isn't of its column's type; the message names the line.
    """
    rows: list[dict[str, Any]] = []
    first = number = 0
    for number, line in enumerate(_decoded(stream), start=1):
        if line.strip():
            first = first or number
            rows.append(_row(line, schema, number))
        if len(rows) == count:
            yield Batch(first, number, rows)
            rows, first = [], 0
    if rows:
        yield Batch(first, number, rows)


def _decoded(stream: Iterable[str]) -> Iterator[str]:
    try:
        yield from stream
    except UnicodeDecodeError as error:
        msg = f"the input isn't UTF-8 text: {error}"
        raise InvalidInputError(msg) from error


def _row(line: str, schema: Mapping[str, str], number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        msg = f"line {number} isn't JSON: {error.msg} at column {error.colno}"
        raise InvalidInputError(msg) from error
    if not isinstance(row, dict):
        msg = f'line {number} is {line.strip()[:60]!r}, not a JSON object; write one row a line: {{"user_id": 7, …}}'
        raise InvalidInputError(msg)
    for name, value in row.items():
        try:
            row[name] = from_plain(value, schema.get(name, ""))
        except InvalidInputError as error:
            msg = f"line {number}, {name!r}: {error}"
            raise InvalidInputError(msg) from error
    return row
