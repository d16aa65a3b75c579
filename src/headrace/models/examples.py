"""The rows behind an evaluation: truth, prediction, score and slices of each, as Parquet in the artifact store."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from headrace.artifacts.store import ArtifactStore
from headrace.errors import IntegrityError, NotFoundError
from headrace.models.bootstrap import Rows

__all__ = ["keep_examples", "read_examples"]

_SCORE, _SLICE = "score", "slice."


def keep_examples(artifacts: ArtifactStore, rows: Rows, slices: Mapping[str, Any]) -> str:
    """Keep the rows; gives their SHA-256. Empty if they are of a kind that no table holds, such as rows that are lists."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    scores = np.asarray(rows.scores)
    wide = scores if scores.ndim == 2 else scores.reshape(len(scores), -1)
    try:
        columns = {"truth": pa.array(rows.truth), "predicted": pa.array(np.asarray(rows.predicted))}
        columns |= {f"{_SCORE}{index}": pa.array(wide[:, index]) for index in range(wide.shape[1])}
        columns |= {f"{_SLICE}{name}": pa.array(list(map(str, values))) for name, values in slices.items()}
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, ValueError):
        return ""
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return artifacts.put_bytes(sink.getvalue())


def read_examples(artifacts: ArtifactStore, digest: str) -> Rows | None:
    """The rows; None if they are gone or can't be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(artifacts.get_bytes(digest)))
    except (NotFoundError, IntegrityError, pa.ArrowInvalid):
        return None
    names = [name for name in table.column_names if name.startswith(_SCORE)]
    scores = np.stack([table[name].to_numpy() for name in names], axis=1)
    return Rows(table["truth"].to_numpy(), table["predicted"].to_numpy(), scores[:, 0] if len(names) == 1 else scores)
