"""MLflow's scoring protocol: the bodies of /invocations as columns of plain values."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from headrace.errors import InvalidInputError, nearest

__all__ = ["CSV", "JSON", "MEDIA_TYPES", "Columns", "read_body"]

CSV, JSON = "text/csv", "application/json"
MEDIA_TYPES = (JSON, CSV)
Columns = dict[str, list[Any]]
_FORMS = "'dataframe_split', 'dataframe_records', 'instances' or 'inputs'"


def read_body(body: bytes, media_type: str, names: Sequence[str]) -> Columns:
    """The columns of a body, all of one length; columns without names get those of the model, in its order.

    Args:
        media_type: JSON or CSV; empty for JSON.
        names: the model's input columns; empty if it was logged without a signature.

    Raises:
        InvalidInputError: the body is neither of these, or its rows have no common shape.
    """
    if media_type == CSV:
        return _from_csv(body)
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        fault = f"the body isn't JSON: {error}" if body else "the body is empty"
        msg = f"{fault}; send a JSON object with one of {_FORMS}"
        raise InvalidInputError(msg) from error
    found = [name for name in _READERS if isinstance(given, dict) and name in given]
    if len(found) != 1:
        hint = "" if found or not isinstance(given, dict) or not given else nearest(next(iter(given)), _READERS)
        msg = f"the body must be a JSON object with exactly one of {_FORMS}{hint}"
        raise InvalidInputError(msg)
    columns = _READERS[found[0]](given[found[0]], names)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        msg = f"the columns of {found[0]!r} must have one length, not {lengths}"
        raise InvalidInputError(msg)
    return columns


def _split(given: Any, names: Sequence[str]) -> Columns:
    """{"columns": […], "data": [[…], …]}; an index is of no use here."""
    if not isinstance(given, dict) or not isinstance(given.get("data"), list):
        msg = "'dataframe_split' must be an object with 'columns', a list of names, and 'data', a list of rows"
        raise InvalidInputError(msg)
    columns = given.get("columns")
    if columns is None:
        return _rows(given["data"], names, "dataframe_split")
    if not isinstance(columns, list) or not all(isinstance(name, str | int) for name in columns):
        msg = "'columns' of 'dataframe_split' must be a list of names"
        raise InvalidInputError(msg)
    return _rows(given["data"], [str(name) for name in columns], "dataframe_split")


def _records(given: Any, _names: Sequence[str]) -> Columns:
    """[{"a": 1, "b": 2}, …]; what a record lacks is null."""
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        msg = "'dataframe_records' must be a list of objects, one a row"
        raise InvalidInputError(msg)
    keys = dict.fromkeys(key for row in given for key in row)
    return {key: [row.get(key) for row in given] for key in keys}


def _instances(given: Any, names: Sequence[str]) -> Columns:
    """A list with a member a row: an object, a list of values, or one value."""
    if not isinstance(given, list):
        msg = "'instances' must be a list with a member a row"
        raise InvalidInputError(msg)
    if given and all(isinstance(row, dict) for row in given):
        return _records(given, names)
    rows = [row if isinstance(row, list) else [row] for row in given]
    return _rows(rows, names, "instances")


def _inputs(given: Any, names: Sequence[str]) -> Columns:
    """An object of columns, or a list of rows."""
    if isinstance(given, dict):
        return {str(name): column if isinstance(column, list) else [column] for name, column in given.items()}
    return _instances(given, names)


def _rows(data: list[Any], names: Sequence[str], form: str) -> Columns:
    widths = {len(row) if isinstance(row, list) else -1 for row in data}
    width = len(names) or max(widths, default=0)
    if widths - {width}:
        msg = f"each row of {form!r} must be a list of {width} values" + (
            f", one for each of {', '.join(names)}" if names else ""
        )
        raise InvalidInputError(msg)
    if not data:
        return {str(name): [] for name in names}
    return {str(names[place]) if names else str(place): list(column) for place, column in enumerate(zip(*data, strict=True))}


_READERS: Mapping[str, Callable[[Any, Sequence[str]], Columns]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
}


def _from_csv(body: bytes) -> Columns:
    """A header, then a row a line; what is empty is null, what reads as a number is one."""
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"the body isn't CSV in UTF-8: {error}"
        raise InvalidInputError(msg) from error
    lines = [line for line in lines if line]
    if not lines:
        raise InvalidInputError("the body is empty; send a header with the names of the columns, then a row a line")
    header, *rows = lines
    for place, row in enumerate(rows, 2):
        if len(row) != len(header):
            msg = f"line {place} of the CSV has {len(row)} values, but the header names {len(header)} columns"
            raise InvalidInputError(msg)
    columns = zip(*rows, strict=True) if rows else ((),) * len(header)
    return {name: _values(column) for name, column in zip(header, columns, strict=True)}


def _values(column: Sequence[str]) -> list[Any]:
    for kind in (int, float):
        try:
            return [None if text == "" else kind(text) for text in column]
        except ValueError:
            continue
    flags = {"true": True, "false": False, "": None}
    if all(text.lower() in flags for text in column):
        return [flags[text.lower()] for text in column]
    return [None if text == "" else text for text in column]
