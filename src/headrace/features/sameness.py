"""Whether two columns hold the same values, to the bit."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["same"]


def same(left: pa.Array, right: pa.Array) -> NDArray[np.bool_]:
    """For each row whether the values are the same: null with null, one NaN with any other, but 0.0 not with -0.0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if left.type != right.type:
        return np.zeros(len(left), bool)
    if pa.types.is_nested(left.type):
        pairs = zip(left.to_pylist(), right.to_pylist(), strict=True)
        return np.array([_bits(one) == _bits(other) for one, other in pairs], bool)
    if pa.types.is_floating(left.type):
        left, right = _numbers(left), _numbers(right)
    equal = pc.equal(left, right).fill_null(False).to_numpy(zero_copy_only=False)
    both_null = pc.and_(left.is_null(), right.is_null()).to_numpy(zero_copy_only=False)
    return np.asarray(equal | both_null)


def _numbers(column: pa.Array) -> pa.Array:
    """The bits of floats as integers, one NaN for all."""
    import pyarrow as pa

    valid = column.is_valid().to_numpy(zero_copy_only=False)
    values = column.fill_null(0).to_numpy(zero_copy_only=False).copy()
    values[np.isnan(values)] = np.nan
    return pa.array(values.view(np.int32 if values.itemsize == 4 else np.int64), mask=~valid)


def _bits(value: Any) -> Any:
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack("<d", value)
    return [_bits(item) for item in value] if isinstance(value, list) else value
