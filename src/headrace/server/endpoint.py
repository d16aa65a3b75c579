"""What a route is: a method and a path, the permission it needs, and the operation behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from inspect import getdoc, iscoroutinefunction
from typing import Any, Literal, TypeVar

from headrace.server.http import Call, Reply
from headrace.server.schema import Content, Field

__all__ = ["AsyncHandler", "Dialect", "Endpoint", "Handler", "Operation", "Quick", "then"]

Handler = Callable[[Call], Reply]
"""Answers a call. It may take its time: it runs in a thread of the pool."""
AsyncHandler = Callable[[Call], Awaitable[Reply]]
"""Answers a call on the event loop, where it waits for others; it may not compute for long."""
Quick = Callable[[Call], Reply | Coroutine[Any, Any, Reply | None] | None]
"""Answers a call on the event loop: at once, or when something else has answered; or gives None, and then the handler does."""
Dialect = Literal["native", "feast", "mlflow", "scoring"]
"""Whose shape an error has."""


@dataclass(frozen=True)
class Operation:
    """What a route does, and what it takes and gives.

    Attributes:
        handler: its docstring is the description that /docs shows.
        query: query parameters, by name.
        quick: tried first, where most calls need no waiting.
        patient: as `quick`, but waits for the store without a thread; tried where `quick` is none, gives none or is too slow.
        streams: whether the handler reads the body itself, from `call.pieces`, however large it is.
    """

    handler: Handler | AsyncHandler
    takes: tuple[Content, ...] = ()
    gives: tuple[Content, ...] = ()
    query: Mapping[str, Field] = field(default_factory=dict)
    quick: Quick | None = None
    patient: Quick | None = None
    streams: bool = False

    @cached_property
    def waits(self) -> bool:
        """Whether the handler is one for the event loop."""
        return iscoroutinefunction(self.handler)

    @property
    def description(self) -> str:
        """What it does."""
        return getdoc(self.handler) or ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route.

    Attributes:
        path: `/api/v1/catalog/{kind}/{name}`: parts in braces reach the handler as `call.path`. A part holds no slash, unless
            it is `{path...}`, all the rest.
        permission: what a caller must be allowed to do; `""` is for everybody.
    """

    method: str
    path: str
    permission: str
    operation: Operation
    dialect: Dialect = "native"

    @property
    def changes_models(self) -> bool:
        """Whether it may add to the trail of the registry."""
        return self.method != "GET" and self.permission.startswith("models:")


Found = TypeVar("Found")
Made = TypeVar("Made")


def then(
    found: Found | Coroutine[Any, Any, Found | None] | None, make: Callable[[Found], Made]
) -> Made | Coroutine[Any, Any, Made | None] | None:
    """What is made of something that is there, or of something that will be; of None, None."""
    if isinstance(found, Coroutine):
        return _made(found, make)
    return None if found is None else make(found)


async def _made(coming: Coroutine[Any, Any, Found | None], make: Callable[[Found], Made]) -> Made | None:
    found = await coming
    return None if found is None else make(found)
