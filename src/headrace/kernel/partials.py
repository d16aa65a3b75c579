"""Partial aggregates that add up: what a tile keeps of its events, as columns of cells that merge in any order.

A cell is None (no value) or plain msgpack-able data. Every aggregate is finished from one or more columns, so features
with the same argument and condition share them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from headrace.kernel.exact import UNIT_BITS, from_fixed, to_fixed

__all__ = [
    "Block",
    "Cell",
    "Count",
    "Distinct",
    "Extreme",
    "FloatSquares",
    "FloatTotal",
    "IntTotal",
    "Partial",
    "Recent",
    "exact_total",
    "integer_total",
    "pack_integer",
    "rounded_total",
    "unpack_integer",
]

Cell = Any
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LARGEST = 2.0**900
"""Beyond this the vectorised split into slices could overflow; such blocks are added as Python integers."""


@dataclass(frozen=True, slots=True)
class Block:
    """Values of one argument, sorted by group and then by (event time, offset, partition); no nulls.

    Attributes:
        numbers: the values, or their codes in the values' order.
        values: what the codes stand for; None if the numbers are the values.
        starts: where each group begins; every group has a value.
        times, offsets, partitions: of each row.
    """

    numbers: npt.NDArray[Any]
    values: Sequence[Any] | None
    starts: Ints
    times: Ints
    offsets: Ints
    partitions: Ints

    @property
    def ends(self) -> Ints:
        """Where each group ends."""
        return np.append(self.starts[1:], len(self.times))

    def decode(self, numbers: npt.NDArray[Any]) -> list[Any]:
        """The values that these numbers stand for."""
        found: list[Any] = numbers.tolist()
        return found if self.values is None else [self.values[code] for code in found]


class Partial(Protocol):
    """One column of cells. Merging is commutative and associative in what `exact_total` and the results make of it."""

    @property
    def argument(self) -> str | None:
        """The column of the argument; None for a count of rows."""
        ...

    @property
    def where(self) -> str | None:
        """The condition's column; None if every row counts."""
        ...

    def cells(self, block: Block) -> list[Cell]:
        """One cell per group."""
        ...

    def merge(self, one: Cell, other: Cell) -> Cell:
        """The cell of both; neither is None."""
        ...


@dataclass(frozen=True, slots=True)
class Count:
    """How many values."""

    argument: str | None
    where: str | None

    def cells(self, block: Block) -> list[Cell]:
        """The sizes of the groups."""
        sizes: list[Cell] = (block.ends - block.starts).tolist()
        return sizes

    def merge(self, one: Cell, other: Cell) -> Cell:
        """The sum."""
        return one + other


@dataclass(frozen=True, slots=True)
class FloatTotal:
    """The exact sum of floats: a float where one can hold it, a list of floats that add up to it, or a packed integer.

    Infinities and NaN follow IEEE addition, which absorbs every finite total.
    """

    argument: str | None
    where: str | None

    def cells(self, block: Block) -> list[Cell]:
        """Exact sums, in slices that add without rounding."""
        numbers = block.numbers
        finite = np.isfinite(numbers)
        plain = bool(finite.all())
        clean = numbers if plain else np.where(finite, numbers, 0.0)
        cells = _slice_totals(clean, block.starts, int((block.ends - block.starts).max()))
        if not plain:
            with np.errstate(invalid="ignore"):
                special = np.add.reduceat(np.where(finite, 0.0, numbers), block.starts)
            for group in np.flatnonzero(~np.isfinite(special)).tolist():
                cells[group] = float(special[group])
        return cells

    def merge(self, one: Cell, other: Cell) -> Cell:
        """The exact sum of two exact sums."""
        if type(one) is float and type(other) is float:
            total = one + other
            part = total - one
            error = (one - (total - part)) + (other - part)
            if error == 0.0:
                return total
            if error - error == 0.0:
                return [total, error]
        special = _special([one, other])
        return _expand(_units([one, other])) if special is None else special


@dataclass(frozen=True, slots=True)
class FloatSquares:
    """The exact sum of the squares of floats, a packed integer of 2^-2148 units. Says nothing if a value isn't finite."""

    argument: str | None
    where: str | None

    def cells(self, block: Block) -> list[Cell]:
        """Exact sums of squares."""
        squares = [to_fixed(value) ** 2 if math.isfinite(value) else 0 for value in block.numbers.tolist()]
        return [pack_integer(sum(squares[start:end])) for start, end in _spans(block)]

    def merge(self, one: Cell, other: Cell) -> Cell:
        """The sum."""
        return pack_integer(unpack_integer(one) + unpack_integer(other))


@dataclass(frozen=True, slots=True)
class IntTotal:
    """The exact sum of integers, or of their squares (`power=2`): an int64, or a packed integer beyond it."""

    argument: str | None
    where: str | None
    power: int = 1

    def cells(self, block: Block) -> list[Cell]:
        """Exact sums, in int64 where no sum can overflow."""
        numbers = block.numbers
        longest = int((block.ends - block.starts).max())
        bound = max(abs(int(numbers.max())), abs(int(numbers.min()))) ** self.power * longest
        if bound < 2**63:
            totals: list[Cell] = np.add.reduceat(numbers**self.power, block.starts).tolist()
            return totals
        powers = [value**self.power for value in numbers.tolist()]
        return [_small(sum(powers[start:end])) for start, end in _spans(block)]

    def merge(self, one: Cell, other: Cell) -> Cell:
        """The sum."""
        if type(one) is int and type(other) is int:
            return _small(one + other)
        return _small(_integer(one) + _integer(other))


@dataclass(frozen=True, slots=True)
class Extreme:
    """The smallest or largest value. NaN is larger than any number; zero is +0.0."""

    argument: str | None
    where: str | None
    largest: bool

    def cells(self, block: Block) -> list[Cell]:
        """The extreme of each group."""
        # fmin passes over NaN and maximum keeps it: both treat it as the largest value.
        function = np.maximum if self.largest else np.fmin
        found = function.reduceat(block.numbers, block.starts)
        return block.decode(found + 0.0 if found.dtype.kind == "f" else found)

    def merge(self, one: Cell, other: Cell) -> Cell:
        """The extreme of both."""
        if one != one or other != other:  # noqa: PLR0124 - NaN
            number = other if one != one else one  # noqa: PLR0124
            return math.nan if self.largest else number
        return max(one, other) if self.largest else min(one, other)


@dataclass(frozen=True, slots=True)
class Distinct:
    """The set of values, as a list; None in it stands for NaN, which is one value."""

    argument: str | None
    where: str | None

    def cells(self, block: Block) -> list[Cell]:
        """The different values of each group."""
        numbers = block.numbers + 0.0 if block.numbers.dtype.kind == "f" else block.numbers
        group = np.repeat(np.arange(len(block.starts)), block.ends - block.starts)
        order = np.lexsort((numbers, group))
        group, numbers = group[order], numbers[order]
        with np.errstate(invalid="ignore"):
            same = (numbers[1:] == numbers[:-1]) | ((numbers[1:] != numbers[1:]) & (numbers[:-1] != numbers[:-1]))
        keep = np.append(True, (group[1:] != group[:-1]) | ~same)
        group, values = group[keep], block.decode(numbers[keep])
        if numbers.dtype.kind == "f":
            values = [None if math.isnan(value) else value for value in values]
        bounds = np.searchsorted(group, np.arange(len(block.starts) + 1)).tolist()
        return [values[start:end] for start, end in pairwise(bounds)]

    def merge(self, one: Cell, other: Cell) -> Cell:
        """The union."""
        return list({*one, *other})


@dataclass(frozen=True, slots=True)
class Recent:
    """The newest (or oldest) n values as [event time, offset, partition, value], oldest first."""

    argument: str | None
    where: str | None
    n: int
    oldest: bool = False

    def cells(self, block: Block) -> list[Cell]:
        """The entries of each group."""
        starts, ends = block.starts, block.ends
        if self.oldest:
            ends = np.minimum(ends, starts + self.n)
        else:
            starts = np.maximum(starts, ends - self.n)
        sizes = ends - starts
        bounds = np.append(0, np.cumsum(sizes))
        rows = np.arange(bounds[-1]) - np.repeat(bounds[:-1] - starts, sizes)
        columns = (block.times[rows].tolist(), block.offsets[rows].tolist(), block.partitions[rows].tolist())
        entries = [list(entry) for entry in zip(*columns, block.decode(block.numbers[rows]), strict=True)]
        places = bounds.tolist()
        return [entries[start:end] for start, end in pairwise(places)]

    def merge(self, one: Cell, other: Cell) -> Cell:
        """The n newest (oldest) of both. (time, offset, partition) is unique, so values are never compared."""
        entries = sorted(one + other)
        return entries[: self.n] if self.oldest else entries[-self.n :]


def exact_total(cells: Sequence[Cell]) -> tuple[float, int | None]:
    """The sum of float totals, rounded once, and its exact units; no units if it isn't finite by its values."""
    special = _special(cells)
    if special is not None:
        return special, None
    units = _units(cells)
    return from_fixed(units), units


def rounded_total(cells: Sequence[Cell]) -> float:
    """The sum of float totals, rounded once. Zero is +0.0."""
    try:
        try:
            # fsum rounds the exact sum once, to nearest even, as from_fixed does.
            return math.fsum(cells) + 0.0
        except TypeError:
            return math.fsum(chain.from_iterable(cell if type(cell) is list else (cell,) for cell in cells)) + 0.0
    except (TypeError, OverflowError, ValueError):
        return exact_total(cells)[0]


def pack_integer(number: int) -> bytes:
    """An integer of any size in few bytes: how many trailing zero bits, then the rest."""
    shift = max((number & -number).bit_length() - 1, 0)
    number >>= shift
    return shift.to_bytes(2, "big") + number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def unpack_integer(packed: bytes) -> int:
    """The integer that `pack_integer` packed."""
    return int.from_bytes(packed[2:], "big", signed=True) << int.from_bytes(packed[:2], "big")


def integer_total(cells: Sequence[Cell]) -> int:
    """The exact sum of integer totals."""
    return sum(map(_integer, cells))


def _integer(cell: Cell) -> int:
    return unpack_integer(cell) if type(cell) is bytes else cell


def _small(number: int) -> Cell:
    return number if -(2**63) <= number < 2**63 else pack_integer(number)


def _spans(block: Block) -> list[tuple[int, int]]:
    return list(zip(block.starts.tolist(), block.ends.tolist(), strict=True))


def _special(cells: Sequence[Cell]) -> float | None:
    total = sum(cell for cell in cells if type(cell) is float and not math.isfinite(cell))
    return total if total != 0 else None


def _units(cells: Sequence[Cell]) -> int:
    total = 0
    for cell in cells:
        if type(cell) is bytes:
            total += unpack_integer(cell)
        else:
            total += sum(map(to_fixed, cell)) if type(cell) is list else to_fixed(cell)
    return total


def _expand(units: int) -> Cell:
    """The cell of an exact total: the nearest float, then the nearest to what it leaves, and so on."""
    floats = []
    rest = units
    while rest:
        nearest = from_fixed(rest)
        if math.isinf(nearest):
            return pack_integer(units)
        floats.append(nearest)
        rest -= to_fixed(nearest)
    return floats if len(floats) > 1 else floats[0] if floats else 0.0


def _slice_totals(numbers: Floats, starts: Ints, longest: int) -> list[Cell]:
    """Exact sums by group: cut all numbers at common bit positions, so that each slice adds up without rounding."""
    bits = 51 - longest.bit_length()
    partials: list[Floats] = []
    rest = numbers
    while (top := float(np.abs(rest).max())) != 0.0:
        if top > LARGEST or len(partials) > 4:
            return _python_totals(numbers, starts)
        exponent = math.frexp(top)[1] - bits
        if exponent <= -UNIT_BITS:
            head = rest
        else:
            anchor = math.ldexp(1.5, 52 + exponent)
            head = (rest + anchor) - anchor
        rest = rest - head
        _grow(partials, np.add.reduceat(head, starts))
    return _join(partials, len(starts))


def _grow(partials: list[Floats], total: Floats) -> None:
    # Knuth's two-sum against each partial: what a float can't hold stays behind as its own partial.
    for place, partial in enumerate(partials):
        high = total + partial
        part = high - total
        partials[place] = (total - (high - part)) + (partial - part)
        total = high
    partials.append(total)


def _join(partials: list[Floats], groups: int) -> list[Cell]:
    if not partials:
        return [0.0] * groups
    cells: list[Cell] = (partials[-1] + 0.0).tolist()
    rests = partials[:-1]
    if rests:
        for group in np.flatnonzero(np.any([rest != 0.0 for rest in rests], axis=0)).tolist():
            cells[group] = [float(partial[group]) for partial in reversed(partials) if partial[group] != 0.0]
    return cells


def _python_totals(numbers: Floats, starts: Ints) -> list[Cell]:
    units = [to_fixed(number) for number in numbers.tolist()]
    bounds = [*starts.tolist(), len(units)]
    return [_expand(sum(units[start:end])) for start, end in pairwise(bounds)]
