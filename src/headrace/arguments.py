"""The arguments of the public API's calls: each is of the kind that the signature names, and its texts are such as every catalog
keeps. They are looked at where a call comes in. Deep inside, a wrong kind would raise something that names no argument, or one
database would keep what another one refuses.
"""

from __future__ import annotations

import inspect
import os
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import wraps
from numbers import Integral, Real
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from headrace.errors import InvalidInputError
from headrace.lazy import Lazy

__all__ = ["checked", "is_text"]

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])


class _Kind(NamedTuple):
    """`shown`: whether a refused text may be repeated; any other might be a secret."""

    told: str
    accepts: Callable[[Any], bool]
    shown: bool = False


class _Looked(NamedTuple):
    """The arguments of a method that are looked at: those given by position, and by name; `rest` stands for all further ones."""

    by_position: tuple[tuple[int, str, _Kind], ...]
    by_name: Mapping[str, _Kind]
    rest: tuple[int, str, _Kind] | None


_PLAIN: Mapping[Any, _Kind] = {
    int: _Kind("a whole number", lambda value: isinstance(value, Integral) and not isinstance(value, bool)),
    float: _Kind("a number", lambda value: isinstance(value, Real) and not isinstance(value, bool)),
    bool: _Kind("True or False", lambda value: type(value).__name__ in ("bool", "bool_")),  # NumPy's too: force=auc > 0.8
    types.NoneType: _Kind("None", lambda value: value is None),
    os.PathLike: _Kind("a path", lambda value: isinstance(value, os.PathLike)),
    Mapping: _Kind("a mapping of names to values", lambda value: isinstance(value, Mapping)),
}


def checked(leaves: Collection[str] = ()) -> Callable[[C], C]:
    """A class whose public methods, or a function that, refuse arguments of a wrong kind, with InvalidInputError, before they do
    anything.

    Looked at are text, numbers, truth, None, paths, mappings, literals, and lists and unions of these, and our own classes.

    A name of a kind can tell what it wants: `Annotated[str, "the id of a run, for example run.id"]`.

    Args:
        leaves: the methods whose arguments aren't looked at, for what they are given is logged rather than refused.
    """

    def decorate(owner: Any) -> Any:
        if inspect.isfunction(owner):
            return _checking(owner)
        for name, method in list(vars(owner).items()):
            if inspect.isfunction(method) and not name.startswith("_") and name not in leaves:
                setattr(owner, name, _checking(method))
        return owner

    return decorate


def is_text(told: str) -> bool:
    """Whether it is what every catalog holds: neither halves of characters nor NUL."""
    if told.isascii():
        return "\0" not in told
    try:
        return b"\0" not in told.encode()
    except UnicodeEncodeError:
        return False


def _checking(method: Callable[..., T]) -> Callable[..., T]:
    looked = Lazy(lambda: _looked(method))  # what a signature means takes longer to find than to check

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> T:
        by_position, by_name, rest = looked()
        for position, name, kind in by_position:
            if position < len(args) and not kind.accepts(args[position]):
                raise _refusal(method, name, kind, args[position])
        for name, value in kwargs.items():
            if name in by_name and not by_name[name].accepts(value):
                raise _refusal(method, name, by_name[name], value)
        if rest is not None:
            first, name, kind = rest
            for value in args[first:]:
                if not kind.accepts(value):
                    raise _refusal(method, name, kind, value)
        return method(*args, **kwargs)

    return call


def _refusal(method: Callable[..., Any], name: str, kind: _Kind, value: Any) -> InvalidInputError:
    items = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(item, str) and not is_text(item) for item in items):
        fault = f"{name} holds NUL or half of a character, which no catalog can keep; take that out"
    elif items is value:
        held = " and ".join(sorted({type(item).__name__ for item in items}))
        fault = f"{name} must be {kind.told}, not a {type(value).__name__} of {held or 'nothing'}"
    else:
        shown = value is None or (kind.shown and isinstance(value, str))
        fault = f"{name} must be {kind.told}, not {str(value)[:40] if shown else f'of type {type(value).__name__}'}"
    return InvalidInputError(f"{method.__name__}: {fault}")


def _looked(method: Callable[..., Any]) -> _Looked:
    found = list(enumerate(inspect.signature(method).parameters.values()))
    meant = {item.name: _meant(method, item) for _, item in found}
    kinds = {name: kind for name, told in meant.items() if (kind := _kind(told) or _own(told)) is not None}
    given = [(position, item.name, kinds[item.name], item.kind) for position, item in found if item.name in kinds]
    return _Looked(
        tuple(item[:3] for item in given if item[3] is inspect.Parameter.POSITIONAL_OR_KEYWORD),
        {name: kind for _, name, kind, way in given if way is not inspect.Parameter.VAR_POSITIONAL},
        next((item[:3] for item in given if item[3] is inspect.Parameter.VAR_POSITIONAL), None),
    )


def _meant(method: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """What an annotation means; Any for one with names that are there for type checkers alone."""
    told = types.SimpleNamespace(__annotations__={"it": parameter.annotation})
    try:
        return typing.get_type_hints(told, method.__globals__, include_extras=True)["it"]
    except (NameError, TypeError):
        return Any


def _kind(meant: Any) -> _Kind | None:
    """How to look at what an annotation means; None to leave it."""
    origin, parts = typing.get_origin(meant) or meant, typing.get_args(meant)
    if origin is str:
        return _Kind("text", lambda value: isinstance(value, str) and is_text(value))
    if origin is Annotated:
        kind = _kind(parts[0])
        return kind and kind._replace(told=parts[1])
    if origin is Literal:
        told = ", ".join(map(repr, parts))
        return _Kind(f"one of {told}", lambda value: isinstance(value, str) and value in parts, shown=True)
    if origin in (typing.Union, types.UnionType):
        return _one_of([_kind(part) for part in parts])
    if origin in (Sequence, Iterable, Collection) and parts:
        return _several(_kind(parts[0]))
    return _PLAIN.get(origin)


def _own(meant: Any) -> _Kind | None:
    """One of our classes alone. What takes it or something else, or several, tells that better itself."""
    ours = inspect.isclass(meant) and meant.__module__.startswith("headrace.") and not getattr(meant, "_is_protocol", False)
    return _Kind(f"a {meant.__name__}", lambda value: isinstance(value, meant)) if ours else None


def _one_of(kinds: Sequence[_Kind | None]) -> _Kind | None:
    known = [kind for kind in kinds if kind is not None]
    if len(known) < len(kinds):
        return None
    return _Kind(" or ".join(kind.told for kind in known), lambda value: any(kind.accepts(value) for kind in known))


def _several(item: _Kind | None) -> _Kind | None:
    if item is None:
        return None

    def accepts(value: Any) -> bool:
        if isinstance(value, list | tuple | set | frozenset):
            return all(map(item.accepts, value))
        return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)  # looking at it may use it up

    return _Kind(f"a list of {item.told}", accepts)
