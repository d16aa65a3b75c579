"""Which rows belong to no group: a null key matches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["first_keyless"]


def first_keyless(keys: Sequence[Sequence[str]], columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> int | None:
    """The place of the first row that lacks a part of every key; None if there is none.

    Args:
        keys: the key columns of each group.
        columns: the columns that may not be null; another part of a key isn't looked at.
    """
    parts = [[columns[name] for name in key if name in columns] for key in keys]
    if not parts or not all(parts):
        return None
    lacking = reduce(pc.and_, [reduce(pc.or_, map(pc.is_null, key)) for key in parts])
    row = pc.index(lacking, pa.scalar(True)).as_py()
    return None if row < 0 else int(row)
