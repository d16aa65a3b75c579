"""Calls and replies: what a handler is given and what it gives back, without a word of ASGI."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from headrace.server.errors import BadRequestError, UnsupportedMediaTypeError
from headrace.wire.arrow import read_stream

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.accounts.account import Account
    from headrace.server.metrics import Metrics
    from headrace.store import Store

__all__ = ["ARROW", "JSON", "TEXT", "Call", "Reply", "arrow_reply", "json_reply", "read_arrow", "read_json", "write_arrow"]

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
_CHUNK_ROWS = 65_536


@dataclass(slots=True)
class Call:
    """A request, its body read whole, unless its operation reads it in pieces.

    Attributes:
        store: the project that is served.
        path: the parts of the path in braces, decoded.
        headers: by lower-case name.
        request_id: what the client, or else we, named the request.
        pieces: the body as it comes, for an operation that streams; each step waits in the handler's thread.
        account: who asks; None where nobody is asked. The store is in its name then.
    """

    store: Store
    metrics: Metrics
    body: bytes
    path: Mapping[str, str]
    raw_query: bytes
    headers: Mapping[str, str]
    request_id: str
    pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    account: Account | None = None

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; of one given twice, the last."""
        return dict(parse_qsl(self.raw_query.decode("latin-1"), keep_blank_values=True))

    @property
    def media_type(self) -> str:
        """The body's media type, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_arrow(self) -> bool:
        """Whether the body says that it is an Arrow IPC stream."""
        return self.media_type == ARROW

    def json(self) -> Any:
        """The body as JSON. Raises BadRequestError."""
        return read_json(self.body)

    def arrow(self) -> pa.Table:
        """The body as an Arrow table. Raises UnsupportedMediaTypeError and BadRequestError."""
        if not self.is_arrow:
            msg = f"the body must be an Arrow IPC stream: send it with the header Content-Type: {ARROW}"
            raise UnsupportedMediaTypeError(msg)
        return read_arrow(self.body)


@dataclass(slots=True)
class Reply:
    """An answer.

    Attributes:
        body: bytes, or pieces of them that are sent as they come: from a thread of the pool, or made on the event loop.
        afterwards: runs once the answer is on its way; the server doesn't stop before it has ended.
        live: pieces come for as long as the client listens: they end when it hangs up, or when the server is asked to stop.
    """

    body: bytes | Iterator[bytes] | AsyncIterator[bytes] = b""
    status: int = 200
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    afterwards: Callable[[], None] | None = None
    live: bool = False


def json_reply(value: Any, status: int = 200) -> Reply:
    """A reply of JSON, from what orjson takes."""
    return Reply(orjson.dumps(value), status)


def arrow_reply(table: pa.Table) -> Reply:
    """A reply of an Arrow IPC stream, sent piece by piece."""
    return Reply(write_arrow(table), media_type=ARROW)


def read_json(body: bytes) -> Any:
    """Bytes as JSON. Raises BadRequestError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        msg = f"the body isn't JSON: {error}" if body else "the body is empty; send a JSON object"
        raise BadRequestError(msg) from error


def read_arrow(body: bytes) -> pa.Table:
    """Bytes as an Arrow table. Raises BadRequestError."""
    import pyarrow as pa

    try:
        table = read_stream(body)
        table.validate(full=True)  # the bytes are a stranger's: offsets may point anywhere
    except (pa.ArrowException, OSError) as error:
        msg = f"the body isn't an Arrow IPC stream that is taken: {error}"
        raise BadRequestError(msg) from error
    return table


def write_arrow(table: pa.Table) -> Iterator[bytes]:
    """A table as the pieces of an Arrow IPC stream."""
    import pyarrow as pa

    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=_CHUNK_ROWS):
            writer.write_batch(batch)
            yield _taken(sink)
    yield _taken(sink)


def _taken(sink: io.BytesIO) -> bytes:
    piece = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return piece
