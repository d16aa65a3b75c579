"""Figures and tables as plain text, for reports."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["number", "table"]


def number(value: float | None) -> str:
    """A figure with six significant digits; a dash if there is none."""
    return "-" if value is None else f"{value:.6g}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ") -> str:
    """Columns aligned on the left, one line a row."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    return "\n".join(f"{indent}{line}".rstrip() for line in lines)
