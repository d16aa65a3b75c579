"""What a verb answers, and how it is printed: a table for a person, JSON for a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from headrace.cli.values import cell, printable
from headrace.definitions.plain import plain

__all__ = ["WHOLE", "Answer", "Fields", "Part", "Table", "json_text", "note", "print_answer"]


WHOLE = 12
"""Words of so many letters aren't broken over two lines, if that can be helped."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under column names. An empty one shows the `empty` sentence, which says what to do to fill it, or nothing."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and values, one a line."""

    pairs: Sequence[tuple[str, Any]]


Part = str | Table | Fields


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verb found.

    Attributes:
        data: for --json.
        parts: for a person, in order, with an empty line between them.
        code: the exit code: 0, or 1 for a negative answer.
    """

    data: Any
    parts: Sequence[Part] = ()
    code: int = 0


def note(text: str) -> None:
    """Tell a person something beside the answer, on standard error."""
    print(printable(text, "\n"), file=sys.stderr)  # noqa: T201


def json_text(value: Any, stream: TextIO, indent: int | None = None) -> str:
    """JSON that the stream can hold: with \\u escapes unless it is UTF-8."""
    unicode = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    return json.dumps(value, indent=indent, ensure_ascii=not unicode)


def print_answer(answer: Answer, stream: TextIO, *, as_json: bool) -> None:
    """Print an answer: one JSON value, or its parts; as coloured tables on a terminal, else as aligned text."""
    if as_json:
        stream.write(json_text(plain(answer.data), stream, indent=2) + "\n")
    else:
        parts = [part for part in answer.parts if not isinstance(part, Table) or part.rows or part.empty]
        if stream.isatty():
            _print_rich(parts, stream)
        else:
            stream.write("\n".join(f"{_text(part)}\n" for part in parts))
    stream.flush()


def _text(part: Part) -> str:
    if isinstance(part, str):
        return printable(part, "\n")
    if isinstance(part, Fields):
        width = max((len(name) for name, _ in part.pairs), default=0)
        return "\n".join(f"{name:<{width}}  {cell(value)}" for name, value in part.pairs)
    if not part.rows:
        return part.empty
    return "\n".join(_aligned(part))


def _aligned(table: Table) -> list[str]:
    rows = [[cell(value) for value in row] for row in table.rows]
    widths = [max(len(row[index]) for row in [table.columns, *rows]) for index in range(len(table.columns))]
    right = _numeric(table)
    return [
        "  ".join(
            text.rjust(width) if number else text.ljust(width) for text, width, number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in [table.columns, *rows]
    ]


def _numeric(table: Table) -> list[bool]:
    columns = [[row[index] for row in table.rows if row[index] is not None] for index in range(len(table.columns))]
    return [
        bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        for values in columns
    ]


def _print_rich(parts: Sequence[Part], stream: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for place, part in enumerate(parts):
        if place:
            console.print()
        if isinstance(part, Table) and part.rows:
            console.print(_rich_table(part, console.width))
        elif isinstance(part, Fields):
            width = max(len(name) for name, _ in part.pairs)
            for name, value in part.pairs:
                console.print(Text.assemble((f"{name:<{width}}", "bold cyan"), "  ", cell(value)))
        else:
            console.print(Text(_text(part)))


def _rich_table(table: Table, room: int) -> Any:
    from rich import box
    from rich.table import Table as Rich
    from rich.text import Text

    shown = Rich(box=box.SIMPLE_HEAD, show_edge=False, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for name, number, width in zip(table.columns, _numeric(table), _least_widths(table, room), strict=True):
        shown.add_column(name, justify="right" if number else "left", overflow="fold", min_width=width)
    for row in table.rows:
        shown.add_row(*[Text(cell(value), style=_STYLES.get(value, "") if isinstance(value, str) else "") for value in row])
    return shown


def _least_widths(table: Table, room: int) -> list[int | None]:
    """For each column the width that keeps its words whole, ids above all; None if the terminal has no room for that."""
    columns = [[name, *(cell(row[index]) for row in table.rows)] for index, name in enumerate(table.columns)]
    words = [max((len(word) for text in texts for word in text.split()), default=0) for texts in columns]
    least = [min(word, WHOLE) for word in words]
    fits = sum(least) + 2 * (len(least) - 1) <= room
    return [width if fits else None for width in least]


_STYLES = {
    **dict.fromkeys(("ok", "FINISHED", "Production", "PRESENT", "fresh", "passed"), "green"),
    **dict.fromkeys(("warn", "RUNNING", "Staging", "NULL_VALUE", "OUTSIDE_MAX_AGE", "stale"), "yellow"),
    **dict.fromkeys(("fail", "FAILED", "KILLED", "NOT_FOUND", "refused"), "red"),
}
