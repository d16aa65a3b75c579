"""What can go wrong between a request and its prediction, besides what the request itself gets wrong."""

from __future__ import annotations

from headrace import errors
from headrace.errors import HeadraceError, InvalidInputError, ModelError

__all__ = ["DiedError", "OverloadedError", "TimedOutError", "told"]


class TimedOutError(ModelError):
    """A model that didn't answer in time. Its process was ended, and another one is made."""


class DiedError(ModelError):
    """A model whose process ended under it: out of memory, or a crash in native code. Another one is made."""


class OverloadedError(HeadraceError):
    """More requests wait for the model than the service keeps."""


def told(kind: str, message: str) -> HeadraceError:
    """The error that a model's process told of."""
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, HeadraceError) and known is not errors.DefinitionError:
        return known(message)
    return InvalidInputError(message)
