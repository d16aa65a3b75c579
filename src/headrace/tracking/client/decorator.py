"""A function whose every call is a run."""

from __future__ import annotations

import functools
import inspect
import numbers
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from headrace.errors import InvalidInputError

if TYPE_CHECKING:
    from headrace.tracking.client.run import ActiveRun

__all__ = ["tracked"]

F = TypeVar("F", bound=Callable[..., Any])


def tracked(function: F, start: Callable[..., Any], **options: Any) -> F:
    """The function, each call of it in a run: its arguments become params, the numbers of a mapping that it returns metrics.
    The run of an async function lasts until that is done.

    Args:
        start: starts a run, as `hr.start_run` does; within another call it is nested.
        options: given to it; the run is named after the function by default.
    """
    if not callable(function):
        way = "name options, for example @hr.track(experiment='ranker')"
        msg = f"hr.track decorates a function, not a value of type {type(function).__name__}; {way}"
        raise InvalidInputError(msg)
    signature = inspect.signature(function)

    def params(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return {
            name: value for name, value in bound.arguments.items() if value is None or isinstance(value, str | numbers.Number)
        }

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wait(*args: Any, **kwargs: Any) -> Any:
            plain = params(args, kwargs)
            with start(**{"name": function.__name__, "nested": True, **options}) as run:
                run.log_params(plain)
                return _logged(run, await function(*args, **kwargs))

        return cast("F", wait)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        plain = params(args, kwargs)
        with start(**{"name": function.__name__, "nested": True, **options}) as run:
            run.log_params(plain)
            return _logged(run, function(*args, **kwargs))

    return cast("F", call)


def _logged(run: ActiveRun, found: Any) -> Any:
    """What the function returned, once its numbers are logged."""
    if isinstance(found, Mapping):
        run.log_metrics({key: value for key, value in found.items() if isinstance(value, numbers.Number)})
    return found
