"""What a data set is: its name, a hash of its content, its size, its columns, where it came from."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.capture.redact import redact_url
from headrace.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DatasetFacts", "describe_dataset"]

_DIGEST_LENGTH = 32
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """A frame, a file or a folder of files.

    Attributes:
        digest: 32 hex digits over the content in its order; a frame has the same digest whether pandas, polars or Arrow holds it.
        source_type, source: ("file", path) or ("memory", class of the frame).
        rows: None for a file whose format doesn't tell.
        schema: (column, type) pairs; empty for such a file.
        size: bytes of the files; None for a frame.
    """

    name: str
    digest: str
    source_type: str
    source: str
    rows: int | None
    schema: tuple[tuple[str, str], ...]
    size: int | None = None


def describe_dataset(data: Any, name: str | None = None, source: str | None = None) -> DatasetFacts:
    """Describe a pandas, polars or Arrow frame, a NumPy array, or a path.

    Args:
        name: what to call it. Default: the file's name; a frame needs one.
        source: where a frame came from, a path or URL; credentials are taken out.

    Raises:
        InvalidInputError: a path that doesn't exist, a frame without a name, or none of these.
    """
    if isinstance(data, str | os.PathLike):
        return _describe_path(Path(data), name)
    if not name:
        msg = "a frame has no name of its own; give one, for example run.use(frame, name='films')"
        raise InvalidInputError(msg)
    frame = _to_pandas(data)
    return DatasetFacts(
        name=name,
        digest=_hash_frame(frame),
        source_type="url" if source and "://" in source else "file" if source else "memory",
        source=redact_url(source) if source else f"{type(data).__module__.partition('.')[0]}.{type(data).__name__}",
        rows=len(frame),
        schema=tuple((str(column), str(dtype)) for column, dtype in zip(frame.columns, frame.dtypes, strict=True)),
    )


def _describe_path(path: Path, name: str | None) -> DatasetFacts:
    if not os.path.exists(path):  # noqa: PTH110 - False also for what is too long for a path, where pathlib raises
        msg = f"there is no file or folder {str(path)[:200]}; give a path that exists, or a frame with name="
        raise InvalidInputError(msg)
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        if path.is_dir():
            digest.update(f"{file.relative_to(path).as_posix()}\0".encode())
        digest.update(_hash_file(file))
    rows, schema = _parquet_facts(files)
    return DatasetFacts(
        name=name or path.name,
        digest=digest.hexdigest()[:_DIGEST_LENGTH],
        source_type="file",
        source=str(path),
        rows=rows,
        schema=schema,
        size=sum(file.stat().st_size for file in files),
    )


def _hash_file(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.digest()


def _parquet_facts(files: list[Path]) -> tuple[int | None, tuple[tuple[str, str], ...]]:
    if not files or any(file.suffix != ".parquet" for file in files):
        return None, ()
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(files[0])
        rows = sum(parquet.read_metadata(file).num_rows for file in files)
    except (OSError, pa.ArrowException):  # not parquet whatever its name says; the digest still holds
        return None, ()
    return rows, tuple((field.name, str(field.type)) for field in schema)


def _to_pandas(data: Any) -> pd.DataFrame:
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, pd.Series):
        return data.to_frame()
    if hasattr(data, "to_arrow"):  # polars without pyarrow's extension types in between
        data = data.to_arrow()
    if hasattr(data, "to_pandas"):
        return pd.DataFrame(data.to_pandas())
    if type(data).__module__ == "numpy" and getattr(data, "ndim", 0) in (1, 2):
        return pd.DataFrame(data)
    msg = f"can't describe a {type(data).__name__}; give a pandas, polars or Arrow table, a NumPy array or a path"
    raise InvalidInputError(msg)


def _hash_frame(frame: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for position, name in enumerate(frame.columns):
        digest.update(f"{name}\0{frame.dtypes.iloc[position]}\0".encode())
        digest.update(_hash_column(frame.iloc[:, position]))
    return digest.hexdigest()[:_DIGEST_LENGTH]


def _hash_column(column: pd.Series) -> bytes:
    from pandas.util import hash_pandas_object

    try:
        hashes = hash_pandas_object(column, index=False, categorize=False)
    except (TypeError, ValueError):  # lists, dicts and other values without a hash
        hashes = hash_pandas_object(column.map(repr), index=False, categorize=False)
    return bytes(hashes.to_numpy().tobytes())
