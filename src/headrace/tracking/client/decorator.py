"""A function whose every call is a run."""

from __future__ import annotations

import functools
import inspect
import numbers
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from headrace.errors import InvalidInputError

__all__ = ["tracked"]

F = TypeVar("F", bound=Callable[..., Any])


def tracked(function: F, start: Callable[..., Any], **options: Any) -> F:
    """The function, each call of it in a run: its arguments become params, the numbers of a mapping that it returns metrics.

    Args:
        start: starts a run, as `hr.start_run` does; within another call it is nested.
        options: given to it; the run is named after the function by default.
    """
    if not callable(function):
        way = "name options, for example @hr.track(experiment='ranker')"
        msg = f"hr.track decorates a function, not a value of type {type(function).__name__}; {way}"
        raise InvalidInputError(msg)
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        plain = {
            name: value for name, value in bound.arguments.items() if value is None or isinstance(value, str | numbers.Number)
        }
        with start(**{"name": function.__name__, "nested": True, **options}) as run:
            run.log_params(plain)
            found = function(*args, **kwargs)
            if isinstance(found, Mapping):
                run.log_metrics({key: value for key, value in found.items() if isinstance(value, numbers.Number)})
            return found

    return cast("F", call)
