"""The files of a run: their list, their bytes, and pages of those that are tables."""

from __future__ import annotations

import io
import mimetypes
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from headrace.definitions.plain import plain
from headrace.errors import InvalidInputError, NotFoundError
from headrace.server.columns import dumps
from headrace.server.endpoint import Operation
from headrace.server.http import JSON, Call, Reply, json_reply
from headrace.server.placed import files_below, pieces
from headrace.server.schema import Content, Field, Record, read_query
from headrace.tracking.files import Home

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FILE", "LIST", "PAGE"]

MOST_ROWS = 1000
MOST_TABLE_BYTES = 512 << 20
_SHOWN = {
    ".css": "text/plain",
    ".csv": "text/csv",
    ".diff": "text/plain",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".py": "text/plain",
    ".toml": "text/plain",
    ".txt": "text/plain",
    ".yaml": "text/plain",
    ".yml": "text/plain",
}
_SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; media-src data:; worker-src blob:; frame-ancestors 'self'"
)

_ENTRY = Record(
    "RunFile",
    {
        "path": Field("Its path."),
        "size": Field("Bytes.", ("integer",)),
        "digest": Field("SHA-256 of the bytes; empty if the client put them into a bucket itself."),
        "media_type": Field("Of what type it seems to be."),
    },
    whole=True,
)
_FILES = Record("RunFiles", {"files": Field("Sorted by path.", ("array",), of=_ENTRY)}, whole=True)
_DOWNLOAD = {"download": Field("Whether the browser should keep it rather than show it.", ("boolean",), default=False)}
_PAGED = {
    "offset": Field("Rows to leave out at the start.", ("integer",), default=0),
    "limit": Field(f"Rows at most, up to {MOST_ROWS}.", ("integer",), default=100),
}
_COLUMN = Record("FileColumn", {"name": Field("Its name."), "type": Field("Its type.")}, whole=True)
_TABLE = Record(
    "FilePage",
    {
        "rows": Field("How many rows the file has.", ("integer",)),
        "columns": Field("Its columns.", ("array",), of=_COLUMN),
        "values": Field(
            "Of each column the page's values.", ("array",), of=Field("A column.", ("array",), of=Field("A value.", ("any",)))
        ),
    },
    whole=True,
)


def _list(call: Call) -> Reply:
    """The files of a run."""
    found = files_below(call.store, _home(call))
    return json_reply(
        {
            "files": [
                {"path": item.path, "size": item.size, "digest": item.digest, "media_type": _type(item.path)} for item in found
            ]
        }
    )


def _file(call: Call) -> Reply:
    """The bytes of a file, verified. What is a page may draw itself, and nothing else: it has no origin and reaches no server."""
    download = read_query(call.query, _DOWNLOAD)["download"]
    path = call.path["path"]
    body = _bytes(call, path)
    name = PurePosixPath(path).name.encode("ascii", "replace").decode().replace('"', "'").replace("\\", "_")
    headers = {
        "content-disposition": f'{"attachment" if download else "inline"}; filename="{name}"',
        "content-security-policy": _SANDBOX,
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-cache",
    }
    return Reply(body, media_type=_type(path), headers=headers)


def _page(call: Call) -> Reply:
    """Some rows of a file that is a table: CSV, TSV or Parquet."""
    asked = read_query(call.query, _PAGED)
    offset, limit = asked["offset"], asked["limit"]
    if offset < 0 or not 0 < limit <= MOST_ROWS:
        msg = f"limit must be 1 to {MOST_ROWS} and offset 0 or more, not {limit} and {offset}"
        raise InvalidInputError(msg)
    path = call.path["path"]
    rows, table = _read(path, _bytes(call, path, MOST_TABLE_BYTES), offset, limit)
    columns = [{"name": field.name, "type": str(field.type)} for field in table.schema]
    values = [plain(column.to_pylist()) for column in table.columns]
    return Reply(dumps({"rows": rows, "columns": columns, "values": values}), media_type=JSON)


def _home(call: Call) -> Home:
    run_id = call.store.runs.resolve(call.path["run"])
    return call.store.artifacts.index.home("run", run_id) or Home("run", run_id, "")


def _bytes(call: Call, path: str, most: int | None = None) -> bytes:
    """A file whole, verified if this server keeps it. Raises NotFoundError, InvalidInputError if it is larger than `most`."""
    home = _home(call)
    entry = next((item for item in files_below(call.store, home, path) if item.path == path), None)
    if entry is None:
        raise NotFoundError.of("file", path, [item.path for item in files_below(call.store, home)])
    if most is not None and entry.size > most:
        msg = f"{path} is larger than {most >> 20} MB; download it to look at it"
        raise InvalidInputError(msg)
    return b"".join(pieces(call.store, home, entry))


def _read(path: str, body: bytes, offset: int, limit: int) -> tuple[int, pa.Table]:
    import pyarrow as pa
    from pyarrow import csv, parquet

    suffix = PurePosixPath(path).suffix.lower()
    try:
        if suffix == ".parquet":
            return _parquet_rows(parquet.ParquetFile(io.BytesIO(body)), offset, limit)
        if suffix in (".csv", ".tsv"):
            separator = csv.ParseOptions(delimiter="\t" if suffix == ".tsv" else ",")
            whole = csv.read_csv(io.BytesIO(body), parse_options=separator)
            return whole.num_rows, whole.slice(offset, limit)
    except (pa.ArrowException, OSError) as error:
        msg = f"{path} can't be read as a table: {error}; download it to look at it"
        raise InvalidInputError(msg) from error
    msg = f"{path} isn't a table that is shown by page; .csv, .tsv and .parquet are"
    raise InvalidInputError(msg)


def _parquet_rows(file: Any, offset: int, limit: int) -> tuple[int, pa.Table]:
    """Only the row groups that hold the page are read."""
    total, first, groups, skipped = file.metadata.num_rows, 0, [], 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if first + rows > offset and first < offset + limit:
            groups.append(group)
        elif first + rows <= offset:
            skipped += rows
        first += rows
    table = file.read_row_groups(groups) if groups else file.schema_arrow.empty_table()
    return total, table.slice(offset - skipped, limit) if groups else table


def _type(path: str) -> str:
    suffix = PurePosixPath(path).suffix.lower()
    kind = _SHOWN.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


LIST = Operation(_list, gives=(Content(record=_FILES),))
FILE = Operation(_file, gives=(Content("application/octet-stream"),), query=_DOWNLOAD)
PAGE = Operation(_page, gives=(Content(record=_TABLE),), query=_PAGED)
