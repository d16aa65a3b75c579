"""Exact arithmetic: the one definition of sum, mean and standard deviation that every feed of the kernel finishes with.

A finite float is a whole number of units of 2^-1074, so Python integers add floats without error, in any order. What a
total is rounded to is defined here once: over single totals for the tiles of a stream, over arrays for history.
"""

from __future__ import annotations

import math

__all__ = ["UNIT_BITS", "from_fixed", "mean_of", "nonfinite_sum", "std_of", "to_fixed"]

UNIT_BITS = 1074
"""A fixed-point integer `i` stands for `i * 2**-UNIT_BITS`."""


def to_fixed(value: float) -> int:
    """A finite float as an exact number of units. Raises OverflowError or ValueError for an infinity or NaN."""
    numerator, denominator = value.as_integer_ratio()
    return numerator << (UNIT_BITS + 1 - denominator.bit_length())


def from_fixed(total: int, bits: int = UNIT_BITS) -> float:
    """The float nearest to `total * 2**-bits`, ties to even; ±inf beyond the largest float. Zero is +0.0."""
    return _divide(total, 1 << bits)


def mean_of(total: int, count: int) -> float:
    """The mean of `count` integers, rounded once. The mean of floats is their rounded sum over their number."""
    return _divide(total, count)


def std_of(count: int, total: int, squares: int, bits: int = UNIT_BITS) -> float | None:
    """The sample standard deviation from exact totals; None for fewer than two values.

    Args:
        count: how many values.
        total: the sum of the values, in units of 2^-bits.
        squares: the sum of their squares, in units of 2^-(2 * bits).
        bits: 0 for integers.
    """
    if count < 2:
        return None
    return _root(count * squares - total * total, count * (count - 1) << 2 * bits)


def nonfinite_sum(nans: int, positives: int, negatives: int) -> float | None:
    """The sum of values with so many NaNs, +inf and -inf among them; None if all are finite."""
    if nans or (positives and negatives):
        return math.nan
    if positives:
        return math.inf
    return -math.inf if negatives else None


def _root(numerator: int, denominator: int) -> float:
    """The square root of a fraction, rounded once: 56 bits of it or more, the last one set if anything is cut off."""
    shift = (113 - numerator.bit_length() + denominator.bit_length()) // 2
    if shift >= 0:
        numerator <<= 2 * shift
    else:
        denominator <<= -2 * shift
    root = math.isqrt(numerator // denominator)
    if root * root * denominator != numerator:
        root |= 1
    return _divide(root, 1 << shift) if shift >= 0 else _divide(root << -shift, 1)


def _divide(numerator: int, denominator: int) -> float:
    # Python divides integers with one correct rounding, also into the subnormal range.
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf
