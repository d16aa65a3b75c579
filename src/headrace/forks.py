"""Keeps a forked child from ending what its parent's threads serve: to close or collect that would crash, or wait for ever."""

from __future__ import annotations

import ctypes
import os
from typing import Protocol, TypeVar
from weakref import WeakSet

__all__ = ["Forgetful", "forgets_in_children"]


class Forgetful(Protocol):
    """Something that works with threads."""

    def forget(self) -> object:
        """Give away what threads serve, without closing it, and go on as if nothing had been opened."""
        ...


F = TypeVar("F", bound=Forgetful)
_owners: WeakSet[Forgetful] = WeakSet()


def forgets_in_children(owner: F) -> F:
    """The owner itself. In each child that is forked it forgets, and what it gives away is kept for ever."""
    _owners.add(owner)
    return owner


def _after_fork_in_child() -> None:
    for owner in list(_owners):
        # A reference that nobody gives back: what modules hold is collected when the interpreter ends.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner.forget()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
