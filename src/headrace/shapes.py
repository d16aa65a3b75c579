"""Values of the domains as plain values, and back: by the types that their fields declare, so that a stranger's are checked."""

from __future__ import annotations

from typing import Any

from headrace.errors import InvalidInputError

__all__ = ["plain", "shaped"]


def plain(value: Any) -> Any:
    """A value, or a collection of them, as maps, lists, numbers, text and bytes."""
    import msgspec

    return msgspec.to_builtins(value, builtin_types=(bytes,), str_keys=True)


def shaped(value: Any, kind: Any) -> Any:
    """The value of this type that `plain` was given.

    Raises:
        InvalidInputError: the plain values don't have its fields or their types, or the type itself refuses them.
    """
    import msgspec

    try:
        return msgspec.convert(value, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        name = getattr(kind, "__name__", str(kind))
        msg = f"these values don't make a {name}: {error}; client and server must be of one release"
        raise InvalidInputError(msg) from error
