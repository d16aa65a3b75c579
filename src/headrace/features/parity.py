"""Online against offline: what serving says of some entities, beside what history says as of the same moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from headrace.errors import InvalidInputError
from headrace.features.sameness import same
from headrace.features.values import to_arrow

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from headrace.features.lookup import OnlineFeatures
    from headrace.features.services import HistoryReads, OnlineReads

__all__ = ["FeatureParity", "Parity", "Verdict", "parity_of"]

Verdict = Literal["equal", "differs", "missing", "unknown"]
"""`missing`: history has a value and the online store hasn't; `unknown`: the other way round."""
MOST_ROWS = 1000
_AT = "__at"


@dataclass(frozen=True, slots=True)
class FeatureParity:
    """One feature, a member a row.

    Attributes:
        online, offline: the two values.
        verdicts: `equal` to the bit, `differs`, `missing` online, or `unknown` offline.
    """

    online: Sequence[Any]
    offline: Sequence[Any]
    verdicts: Sequence[Verdict]


@dataclass(frozen=True, slots=True)
class Parity:
    """Online values beside history's. True if all are equal.

    Attributes:
        view: the view version, `ranking:3`.
        at: the moment that both answer for, microseconds since 1970 UTC.
        keys: the request's columns.
        types: the types of keys and features.
        features: by name.
        statuses: what the online store says of each feature, per row.
    """

    view: str
    at: int
    keys: Mapping[str, Sequence[Any]]
    types: Mapping[str, str]
    features: Mapping[str, FeatureParity]
    statuses: Mapping[str, Sequence[str]]

    def __bool__(self) -> bool:
        return all(verdict == "equal" for feature in self.features.values() for verdict in feature.verdicts)

    def to_pandas(self) -> pd.DataFrame:
        """A row per entity and feature: the keys, `feature`, `online`, `offline`, `verdict`."""
        import pandas as pd

        rows = [
            {**{name: column[row] for name, column in self.keys.items()}, "feature": name, "online": online, "offline": offline}
            | {"verdict": verdict}
            for name, each in self.features.items()
            for row, (online, offline, verdict) in enumerate(zip(each.online, each.offline, each.verdicts, strict=True))
        ]
        return pd.DataFrame(rows, columns=[*self.keys, "feature", "online", "offline", "verdict"])


def parity_of(online: OnlineReads, history: HistoryReads, view: str, entities: Mapping[str, Any], at: Any = None) -> Parity:
    """Read both stores for some entities as of one moment.

    Args:
        view: a feature view, `"ranking"` or pinned `"ranking:3"`.
        entities: join keys and request inputs; scalars are repeated to the length of the lists.
        at: the moment, a datetime. Default: now.

    Raises:
        NotFoundError: no such view.
        InvalidInputError: a key is missing or of the wrong type, or there are too many rows.
    """
    import pyarrow as pa

    most = max((len(column) for column in entities.values() if isinstance(column, list | tuple)), default=1)
    if most > MOST_ROWS:
        msg = f"at most {MOST_ROWS:,} entities are compared at once, not {most:,}; `verify` looks at all that was served"
        raise InvalidInputError(msg)
    served = online.read(view, entities, at, 0.0)
    columns = {name: _column(served, name) for name in served.keys}
    asked = pa.table({**columns, _AT: to_arrow([served.at] * len(served), "timestamp")})
    found = history.read(served.view, asked, _AT)
    features = {name: _beside(served, name, found.column(name)) for name in served.values}
    return Parity(served.view, served.at, served.keys, served.types, features, served.statuses)


def _column(served: OnlineFeatures, name: str) -> pa.Array:
    import pyarrow as pa

    kind, values = served.types.get(name), served.keys[name]
    return pa.array(values) if kind is None else to_arrow(values, kind)


def _beside(served: OnlineFeatures, name: str, offline: pa.ChunkedArray) -> FeatureParity:
    import pyarrow as pa

    left = to_arrow(served.values[name], served.types[name])
    right = pa.concat_arrays(offline.chunks) if offline.num_chunks else pa.nulls(0, left.type)
    equal = same(left, right.cast(left.type))
    values, known = left.to_pylist(), right.to_pylist()
    verdicts = [_verdict(bool(same_), one, other) for same_, one, other in zip(equal, values, known, strict=True)]
    return FeatureParity(served.values[name], known, verdicts)


def _verdict(equal: bool, online: Any, offline: Any) -> Verdict:
    if equal:
        return "equal"
    if online is None:
        return "missing"
    return "unknown" if offline is None else "differs"
