"""The files of a run: their list, their bytes, and pages of those that are tables."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath
from typing import Any

from headrace.definitions.plain import plain
from headrace.errors import InvalidInputError, NotFoundError
from headrace.server.columns import dumps
from headrace.server.endpoint import Operation
from headrace.server.http import JSON, Call, Reply, json_reply
from headrace.server.native.lines import FoundLine, find_lines
from headrace.server.native.tables import Page, RangedFile, parquet_page, text_page
from headrace.server.placed import files_below, pieces, ranged_reply, unread
from headrace.server.schema import Content, Field, Record, read_query
from headrace.tracking.files import Home
from headrace.tracking.run import ArtifactEntry

__all__ = ["FILE", "LINES", "LIST", "PAGE"]

MOST_ROWS = 1000
MOST_LINES = 5000
LOOKED_THROUGH = 256 << 20
"""Bytes that are looked through for one answer."""
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SHOWN = {
    ".css": "text/plain",
    ".csv": "text/csv",
    ".diff": "text/plain",
    ".js": "text/plain",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".mjs": "text/plain",
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
_FILES = Record(
    "RunFiles",
    {
        "files": Field("Sorted by path.", ("array",), of=_ENTRY),
        "unread": Field(
            "Where the client put files itself, if that is a bucket that this server doesn't read, since the setting "
            "`artifact_buckets` doesn't name it; else empty."
        ),
    },
    whole=True,
)
_DOWNLOAD = {"download": Field("Whether the browser should keep it rather than show it.", ("boolean",), default=False)}
_PAGED = {
    "start": Field("Where in a CSV or TSV file to begin: what a page before told as `following`.", ("integer",), default=0),
    "offset": Field("Rows to leave out from there.", ("integer",), default=0),
    "limit": Field(f"Rows at most, up to {MOST_ROWS}.", ("integer",), default=100),
}
_COLUMN = Record("FileColumn", {"name": Field("Its name."), "type": Field("Its type.")}, whole=True)
_TABLE = Record(
    "FilePage",
    {
        "rows": Field("How many rows the file has; null for a large one whose rows nobody counted.", ("integer",), nullable=True),
        "following": Field(
            "Of CSV and TSV, what to give as `start` for the rows after these; null after the last.", ("integer",), nullable=True
        ),
        "columns": Field("Its columns.", ("array",), of=_COLUMN),
        "values": Field(
            "Of each column the page's values.", ("array",), of=Field("A column.", ("array",), of=Field("A value.", ("any",)))
        ),
    },
    whole=True,
)
_FIND = {
    "find": Field("A text, in upper or lower case.", required=True),
    "start": Field("The byte to begin at, where a line does: what an answer before told as `end`.", ("integer",), default=0),
    "limit": Field(f"Tell at most so many lines, up to {MOST_LINES:,}.", ("integer",), default=1000),
}
_LINE = Record(
    "FileLine",
    {
        "start": Field("The byte of the file that it begins at.", ("integer",)),
        "number": Field("Which line it is, from 1 on, counted from `start`.", ("integer",)),
        "text": Field("What a terminal shows of it, 2,000 characters at most."),
    },
    whole=True,
)
_LINES = Record(
    "FileLines",
    {
        "lines": Field("The first of the lines that have the text in them.", ("array",), of=_LINE),
        "found": Field("How many have it.", ("integer",)),
        "count": Field("How many lines were looked at.", ("integer",)),
        "end": Field("The byte after the last of them. Ask again from there for what has come since.", ("integer",)),
        "last": Field(
            "What the file ends with after that, a line without an end, if it has the text.", ("object",), of=_LINE, nullable=True
        ),
        "size": Field("The size of the file. A large one is looked through by several questions.", ("integer",)),
    },
    whole=True,
)


def _list(call: Call) -> Reply:
    """The files of a run."""
    home = _home(call)
    files = [
        {"path": item.path, "size": item.size, "digest": item.digest, "media_type": _type(item.path)}
        for item in files_below(call.store, home)
    ]
    return json_reply({"files": files, "unread": unread(call.store, home)})


def _file(call: Call) -> Reply:
    """The bytes of a file, or a range of them. A whole file is verified. An HTML page may draw itself and nothing
    else: browsers give it no origin, and it reaches no server."""
    download = read_query(call.query, _DOWNLOAD)["download"]
    home, entry = _found(call)
    name = PurePosixPath(entry.path).name.encode("ascii", "replace").decode().replace('"', "'").replace("\\", "_")
    headers = {
        "content-disposition": f'{"attachment" if download else "inline"}; filename="{name}"',
        "content-security-policy": _SANDBOX,
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-cache",
    }
    return ranged_reply(call, home, entry, _type(entry.path), headers)


def _page(call: Call) -> Reply:
    """Some rows of a file that is a table: CSV, TSV or Parquet. Only what holds them is read."""
    asked = read_query(call.query, _PAGED)
    start, offset, limit = asked["start"], asked["offset"], asked["limit"]
    if start < 0 or offset < 0 or not 0 < limit <= MOST_ROWS:
        msg = f"limit must be 1 to {MOST_ROWS}, start and offset 0 or more, not {limit}, {start} and {offset}"
        raise InvalidInputError(msg)
    page = _read(call, start, offset, limit)
    columns = [{"name": field.name, "type": str(field.type)} for field in page.table.schema]
    values = [plain(column.to_pylist()) for column in page.table.columns]
    told = {"rows": page.rows, "following": page.following, "columns": columns, "values": values}
    return Reply(dumps(told), media_type=JSON)


def _lines(call: Call) -> Reply:
    """The lines of a text file that have a text in them."""
    asked = read_query(call.query, _FIND)
    find, start, limit = asked["find"], asked["start"], asked["limit"]
    home, entry = _found(call)
    if not find or "\n" in find or not 0 <= limit <= MOST_LINES or not 0 <= start <= entry.size:
        msg = (
            f"find must be a text without line ends, limit 0 to {MOST_LINES} and start within the file's {entry.size} bytes, "
            f"not {find!r}, {limit} and {start}; if the file was cut, begin at 0"
        )
        raise InvalidInputError(msg)
    end = min(entry.size, start + LOOKED_THROUGH)
    result = find_lines(pieces(call.store, home, entry, start, end) if start < end else (), find, limit)
    last = result.last if end == entry.size else None
    told = {"lines": [_line(line, start) for line in result.lines], "last": last and _line(last, start)}
    return json_reply({**told, "found": result.found, "count": result.count, "end": start + result.end, "size": entry.size})


def _line(line: FoundLine, start: int) -> dict[str, Any]:
    return {"start": start + line.start, "number": line.number, "text": line.text}


def _home(call: Call) -> Home:
    run_id = call.store.runs.resolve(call.path["run"])
    return call.store.artifacts.index.home("run", run_id) or Home("run", run_id, "")


def _found(call: Call) -> tuple[Home, ArtifactEntry]:
    """A file of a run. Raises NotFoundError."""
    home, path = _home(call), call.path["path"]
    entry = next((item for item in files_below(call.store, home, path) if item.path == path), None)
    if entry is None:
        raise NotFoundError.of("file", path, [item.path for item in files_below(call.store, home)])
    return home, entry


def _read(call: Call, start: int, offset: int, limit: int) -> Page:
    import pyarrow as pa

    home, entry = _found(call)
    suffix = PurePosixPath(entry.path).suffix.lower()
    file = RangedFile(entry.size, lambda first, end: b"".join(pieces(call.store, home, entry, first, end)))
    try:
        if suffix == ".parquet":
            return parquet_page(file, offset, limit)
        if suffix in _SEPARATORS:
            return text_page(file, _SEPARATORS[suffix], start, offset, limit)
    except (pa.ArrowException, OSError) as error:
        msg = f"{entry.path} can't be read as a table: {error}; download it to look at it"
        raise InvalidInputError(msg) from error
    msg = f"{entry.path} isn't a table that is shown by page; .csv, .tsv and .parquet are"
    raise InvalidInputError(msg)


def _type(path: str) -> str:
    suffix = PurePosixPath(path).suffix.lower()
    kind = _SHOWN.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


LIST = Operation(_list, gives=(Content(record=_FILES),))
FILE = Operation(_file, gives=(Content("application/octet-stream"),), query=_DOWNLOAD)
LINES = Operation(_lines, gives=(Content(record=_LINES),), query=_FIND)
PAGE = Operation(_page, gives=(Content(record=_TABLE),), query=_PAGED)
