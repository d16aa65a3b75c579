"""The verbs of a remote store as operations: plain values and tables in, plain values and tables out, nothing twice.

A quick verb answers with one msgpack value. A verb that may take long answers at once if it can; else it says every few seconds
how far it is, so that neither the client nor a proxy gives up on it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any

from headrace.errors import InvalidInputError
from headrace.server.endpoint import Operation, then
from headrace.server.errors import BadRequestError, UnsupportedMediaTypeError, problem, status_of
from headrace.server.http import Call, Reply
from headrace.server.native.once import Once
from headrace.server.schema import Content
from headrace.settings import STATE_FOLDER
from headrace.wire import frames
from headrace.wire.values import KEY_HEADER, MSGPACK, REVISION_HEADER, pack, unpack

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.server.metrics import Metrics
    from headrace.store import Store

__all__ = ["Answer", "Task", "Wanted", "quick", "work"]

AT_ONCE_SECONDS = 1.0
"""Work that is done by then is answered like any request, its error with a status of its own."""
LOOK_SECONDS, TELL_SECONDS = 0.5, 5.0
WORKERS = 16
log = logging.getLogger("headrace.server")

Answer = tuple[Any, "pa.Table | None"]
"""Plain values, and perhaps a table."""
Wanted = Mapping[str, type | UnionType]


@dataclass(frozen=True, slots=True)
class Task:
    """What a verb is given.

    Attributes:
        table: what came with the arguments; an empty table if nothing did.
    """

    store: Store
    metrics: Metrics
    arguments: dict[str, Any]
    table: pa.Table | None = None
    told: dict[str, tuple[int, int]] = field(default_factory=dict)

    def progress(self, title: str, done: int, total: int) -> None:
        """Say how far it is."""
        self.told[title] = done, total

    @property
    def rows(self) -> pa.Table:
        """The table that came. Raises BadRequestError if none did."""
        if self.table is None:
            raise BadRequestError("the body has no table after its arguments")
        return self.table


def quick(
    verb: Callable[[Task], Any],
    wanted: Wanted,
    *,
    changes: bool = False,
    repeatable: bool = False,
    at_once: Callable[[Task], Any] | None = None,
) -> Operation:
    """The operation of a verb that takes milliseconds. Its docstring is the description.

    Args:
        wanted: its arguments and their types.
        changes: whether it changes something, and so is carried out once for each name that a request bears.
        repeatable: whether it may be done again after a crash in its middle.
        at_once: answers on the event loop, or gives a coroutine that does, or None: then the verb does.
    """

    def task_of(call: Call) -> Task:
        if call.media_type != MSGPACK:
            raise _wrong_type(MSGPACK)
        _reach(call)
        return Task(call.store, call.metrics, _arguments(unpack(call.body), wanted))

    def answer(call: Call) -> Reply:
        task = task_of(call)
        found = _once(call, verb.__name__, lambda: verb(task), repeatable=repeatable) if changes else verb(task)
        return Reply(pack(found), media_type=MSGPACK)

    def answer_at_once(call: Call) -> Reply | Coroutine[Any, Any, Reply | None] | None:
        found = None if at_once is None else at_once(task_of(call))
        return then(found, lambda found: Reply(pack(found), media_type=MSGPACK))

    answer.__doc__ = verb.__doc__
    content = (Content(MSGPACK),)
    return Operation(answer, takes=content, gives=content, quick=None if at_once is None else answer_at_once)


def work(verb: Callable[[Task], Answer], wanted: Wanted, *, changes: bool = False, repeatable: bool = True) -> Operation:
    """The operation of a verb that may take long, or that takes or gives a table.

    Args:
        wanted: its arguments and their types.
        changes: whether it changes something, and so is carried out once for each name that a request bears.
        repeatable: whether it may be done again after a crash in its middle.
    """

    def answer(call: Call) -> Reply:
        if call.media_type != frames.FRAMES:
            raise _wrong_type(frames.FRAMES)
        _reach(call)
        task = _task(call, wanted)
        done: Callable[[], Answer] = lambda: verb(task)  # noqa: E731 - one of two ways to do it
        if changes:
            done = lambda: (_once(call, verb.__name__, lambda: verb(task)[0], repeatable=repeatable), None)  # noqa: E731
        future = _pool().submit(done)
        wait((future,), AT_ONCE_SECONDS)
        if future.done():
            result, table = future.result()
            body = frames.part(frames.RESULT, pack(result)) if table is None else _parts((result, table))
            return Reply(body, media_type=frames.FRAMES)
        return Reply(_told(future, task, call.request_id), media_type=frames.FRAMES)

    answer.__doc__ = verb.__doc__
    return Operation(answer, takes=(Content(frames.FRAMES),), gives=(Content(frames.FRAMES),))


def _reach(call: Call) -> None:
    """See what the client has seen of the catalog, though another worker or machine may have told it."""
    seen = call.headers.get(REVISION_HEADER, "")
    if seen.isdecimal():
        call.store.catalog.reach(int(seen))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKERS, "headrace-work")


def _once(call: Call, verb: str, done: Callable[[], Any], *, repeatable: bool) -> Any:
    name = call.headers.get(KEY_HEADER)
    if name is None:
        msg = f"a request that changes something must bear a name, in the header {KEY_HEADER}"
        raise BadRequestError(msg)
    return _outcomes(call.store).carry_out(f"{verb} {name}", done, repeatable=repeatable)


@cache
def _outcomes_in(folder: Any) -> Once:
    return Once(folder)


def _outcomes(store: Store) -> Once:
    return _outcomes_in(store.settings.project / STATE_FOLDER / "requests")


def _task(call: Call, wanted: Wanted) -> Task:
    parser, table = frames.Parser(), frames.TableReader()
    arguments: dict[str, Any] | None = None
    for kind, content in parser.feed(call.body):
        if kind == frames.TABLE:
            table.add(content)
        elif kind == frames.ARGUMENTS:
            arguments = _arguments(unpack(content), wanted)
    parser.end()
    if arguments is None:
        raise BadRequestError("the body has no arguments")
    found = table.table()
    if found is not None:
        _validate(found)
    return Task(call.store, call.metrics, arguments, found)


def _validate(table: pa.Table) -> None:
    import pyarrow as pa

    try:
        table.validate(full=True)  # the bytes are a stranger's: offsets may point anywhere
    except pa.ArrowException as error:
        msg = f"the table in the body is damaged: {error}"
        raise InvalidInputError(msg) from error


def _arguments(found: Any, wanted: Wanted) -> dict[str, Any]:
    if not isinstance(found, dict) or set(found) != set(wanted):
        msg = f"the arguments must be a map of {', '.join(wanted) or 'nothing'}"
        raise BadRequestError(msg)
    faults = [name for name, kind in wanted.items() if not isinstance(found[name], kind)]
    if faults:
        msg = f"the arguments are of the wrong type: {', '.join(faults)}"
        raise BadRequestError(msg)
    return found


def _wrong_type(wanted: str) -> UnsupportedMediaTypeError:
    msg = f"this route is for Headrace's own client; the body must be {wanted}. /docs lists the routes for everybody"
    return UnsupportedMediaTypeError(msg)


def _parts(answer: Answer) -> Iterator[bytes]:
    result, table = answer
    if table is not None:
        yield from frames.table_parts(table)
    yield frames.part(frames.RESULT, pack(result))


async def _told(future: Future[Answer], task: Task, request_id: str) -> AsyncIterator[bytes]:
    """Progress for as long as the work takes, then the answer, or what went wrong."""
    said, then = None, 0.0
    waiting = asyncio.wrap_future(future)
    while not waiting.done():
        now, told = time.monotonic(), [[title, *steps] for title, steps in list(task.told.items())]
        if told != said or now - then > TELL_SECONDS:
            said, then = told, now
            yield frames.part(frames.PROGRESS, pack(told))
        await asyncio.wait((waiting,), timeout=LOOK_SECONDS)
    error = waiting.exception()
    if error is None:
        parts = _parts(waiting.result())
        while (piece := await asyncio.to_thread(next, parts, None)) is not None:
            yield piece
        return
    if status_of(error)[0] == 500:
        log.error("request %s failed inside Headrace", request_id, exc_info=error)
    yield frames.part(frames.PROBLEM, problem(error, request_id)[1])
