"""The lines of a text that have another text in them, found as it streams by: a log may be of any size."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["FoundLine", "FoundLines", "find_lines", "seen"]

LONGEST = 8 << 20
"""What has no end for so many bytes is taken as a line."""
SHOWN = 2000
"""So many characters of a line are told."""
_STYLE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line: the byte that it begins at, its number, from 1 on, and the start of its text."""

    start: int
    number: int
    text: str


@dataclass(slots=True)
class FoundLines:
    """What was found.

    Attributes:
        lines: the first of the lines that have it.
        found: how many have it.
        count, end: how many lines there are, and where the last of them ends.
        last: what comes after that, if it has it: a line that isn't at its end.
    """

    lines: list[FoundLine] = field(default_factory=list)
    found: int = 0
    count: int = 0
    end: int = 0
    last: FoundLine | None = None


def find_lines(pieces: Iterable[bytes], text: str, most: int) -> FoundLines:
    """The lines that have a text in them, in upper or lower case, as a terminal shows them; at most so many are told."""
    wanted, rest, result = text.lower(), b"", FoundLines()
    for piece in pieces:
        held = rest + piece
        cut = held.rfind(b"\n") + 1 or (len(held) if len(held) > LONGEST else 0)
        _look(held[:cut], wanted, most, result)
        rest = held[cut:]
    shown = seen(rest)
    if wanted in shown.lower():
        result.last = FoundLine(result.end, result.count + 1, shown[:SHOWN])
    return result


def seen(line: bytes) -> str:
    """What a terminal shows of a line: what comes after the last return to its start, without colours."""
    text = line.decode("utf-8", "replace").rstrip("\r")
    return _STYLE.sub("", text[text.rfind("\r") + 1 :])


def _look(block: bytes, wanted: str, most: int, result: FoundLines) -> None:
    """Add what some whole lines have. Where none can have it they are only counted, ten times as fast."""
    lowered = block.lower() if wanted.isascii() else block.decode("utf-8", "replace").lower().encode()
    if wanted.encode() in lowered or b"\x1b" in block:
        start = result.end
        for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), result.count + 1):
            shown = seen(line)
            if wanted in shown.lower():
                result.found += 1
                if len(result.lines) < most:
                    result.lines.append(FoundLine(start, number, shown[:SHOWN]))
            start += len(line) + 1
    result.count += block.count(b"\n") + (not block.endswith(b"\n") and block != b"")
    result.end += len(block)
