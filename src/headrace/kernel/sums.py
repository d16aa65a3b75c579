"""Exact totals of many ranges: prefix sums of fixed-point limbs, rounded once.

A limb is a 64-bit integer. Its prefix sums may wrap around: a difference of two is still right modulo 2^64, and the limbs
are cut so that no range's own total overflows. Most columns need one or two limbs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.kernel.exact import from_fixed, to_fixed

__all__ = ["PrefixSums", "Totals", "squares"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TOTAL_BITS = 61
"""A range's total of one limb stays below 2^61."""
WIDTH = 44
"""Bits of every limb but the first: what rounding the first one leaves over then fits a double together with the second."""
BLOCK = 1 << 15
"""Values worked on together: what is derived from them in between stays in the processor's cache."""
SQUARE_EXACT = 2.0**480
"""Squares of floats between this and its inverse split into two doubles without overflow or underflow."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Exact totals, one for each range: `sum(limbs[i] * 2**(-bits - width * i))`."""

    limbs: tuple[NDArray[Any], ...]
    width: int
    bits: int

    @property
    def unit(self) -> int:
        """Every total is a whole number of 2^-unit."""
        return self.bits + self.width * (len(self.limbs) - 1)

    def integers(self) -> list[int]:
        """The totals in units of 2^-unit."""
        totals: list[int] = self.limbs[0].tolist()
        for limb in self.limbs[1:]:
            totals = [(total << self.width) + rest for total, rest in zip(totals, limb.tolist(), strict=True)]
        return totals

    def rounded(self) -> Floats:
        """The nearest float to each total, ties to even; ±inf beyond the largest."""
        if len(self.limbs) > 2 or self.limbs[0].dtype == object:
            return np.array([_rounded(total, self.unit) for total in self.integers()], np.float64)
        high = self.limbs[0]
        if len(self.limbs) == 1:
            return _scaled(high.astype(np.float64), -self.bits)
        high, low = self._carried()
        nearest = high.astype(np.float64)
        rest = ((high - nearest.astype(np.int64)) << self.width) + low
        return _scaled(nearest * 2.0**self.width + rest, -self.unit)

    def wrapped(self) -> tuple[Ints, NDArray[np.bool_]]:
        """Integer totals modulo 2^64, and whether each one is beyond int64."""
        if len(self.limbs) == 1:
            return self.limbs[0], np.zeros(len(self.limbs[0]), bool)
        high, low = self._carried()
        edge = 1 << (63 - self.width)
        return (high << self.width) + low, (high < -edge) | (high >= edge)

    def _carried(self) -> tuple[Ints, Ints]:
        high, low = self.limbs
        return high + (low >> self.width), low & ((1 << self.width) - 1)


class PrefixSums:
    """The exact totals of any ranges of finite numbers."""

    def __init__(self, values: NDArray[Any], longest: int) -> None:
        """Take the sums of int64, float64 or Python integers; no range will hold more than `longest` values."""
        self._width, self._bits = 0, 0
        if values.dtype == object:
            limbs = [values]
        elif values.dtype == np.int64:
            limbs = self._integer_limbs(values, longest)
        else:
            limbs = self._float_limbs(values, longest)
        self._sums = [_prefix_sums(limb) for limb in limbs]

    def between(self, low: Ints, high: Ints) -> Totals:
        """The totals of the ranges [low, high)."""
        limbs = tuple(sums[high] - sums[low] for sums in self._sums)
        return Totals(limbs, self._width, self._bits)

    def _integer_limbs(self, values: Ints, longest: int) -> list[Ints]:
        largest = max(int(values.max(initial=0)), -int(values.min(initial=0)))
        if largest * longest < 1 << TOTAL_BITS:
            return [values]
        self._width, self._bits = 32, -32
        return [values >> 32, values & 0xFFFFFFFF]

    def _float_limbs(self, values: Floats, longest: int) -> list[Ints]:
        largest = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
        room = TOTAL_BITS - longest.bit_length()
        self._width = min(WIDTH, room)
        self._bits = bits = room - int(np.frexp(largest)[1])
        limbs = []
        rest: Floats | None = values
        while rest is not None:
            limb, rest = _cut(rest, bits)
            limbs.append(limb)
            bits += self._width
        return limbs


def squares(values: NDArray[Any], longest: int) -> list[PrefixSums]:
    """Sums whose totals add up to the exact sum of the values' squares."""
    if values.dtype == np.int64:
        largest = max(int(values.max(initial=0)), -int(values.min(initial=0)))
        small = largest < 1 << 31
        return [PrefixSums(values * values if small else values.astype(object) ** 2, longest)]
    sizes = np.abs(values[values != 0])
    if sizes.max(initial=0.0) < SQUARE_EXACT and sizes.min(initial=1.0) > 1 / SQUARE_EXACT:
        return [PrefixSums(part, longest) for part in _square_parts(values)]
    return [_SquaredUnits(values)]


class _SquaredUnits(PrefixSums):
    """The slow way for floats of any size: Python integers in units of 2^-2148."""

    def __init__(self, values: Floats) -> None:
        fixed = np.array([0, *(to_fixed(value) ** 2 for value in values.tolist())], dtype=object)
        self._width, self._bits, self._sums = 0, 2 * 1074, [np.cumsum(fixed)]


def _square_parts(values: Floats) -> tuple[Floats, Floats]:
    # Veltkamp's split into two halves of 26 bits, then Dekker's product: the square and its rounding error, both exact.
    big = values * 134217729.0
    high = big - (big - values)
    low = values - high
    square = values * values
    return square, ((high * high - square) + 2 * high * low) + low * low


def _prefix_sums(values: NDArray[Any]) -> NDArray[Any]:
    sums = np.zeros(len(values) + 1, values.dtype)
    np.cumsum(values, out=sums[1:])
    return sums


def _cut(values: Floats, bits: int) -> tuple[Ints, Floats | None]:
    """The whole multiples of 2^-bits in each value, and what they leave over; None if that is nothing."""
    limb = np.empty(len(values), np.int64)
    rest: Floats | None = None
    for begin in range(0, len(values), BLOCK):
        block = slice(begin, begin + BLOCK)
        limb[block] = whole = np.trunc(_scaled(values[block], bits))
        left = values[block] - _scaled(whole, -bits)
        if left.any():
            rest = np.zeros(len(values)) if rest is None else rest
            rest[block] = left
    return limb, rest


def _scaled(values: Floats, bits: int) -> Floats:
    with np.errstate(over="ignore", under="ignore"):
        if abs(bits) <= 1000:
            return values * 2.0**bits
        return values * 2.0 ** (bits // 2) * 2.0 ** (bits - bits // 2)


def _rounded(total: int, unit: int) -> float:
    return from_fixed(total, unit) if unit >= 0 else from_fixed(total << -unit, 0)
