"""Which columns of a request a model takes, and whether they are keys of its view."""

from __future__ import annotations

from typing import Any

from headrace.definitions.version import ViewVersion
from headrace.errors import InvalidInputError, nearest
from headrace.serving.slot import Slot

__all__ = ["Columns", "selected", "takes_keys"]

Columns = dict[str, list[Any]]


def selected(slot: Slot, columns: Columns) -> Columns:
    """The columns that the model takes, in its order. Raises InvalidInputError."""
    if slot.version.signature is None:
        return columns
    names = slot.version.signature.names
    missing = [name for name in names if name not in columns]
    if missing:
        keys = f"; or the keys of its view: {', '.join(slot.view.view.request_keys)}" if slot.view is not None else ""
        lacking, hint = ", ".join(map(repr, missing)), nearest(missing[0], columns)
        msg = f"the input lacks {lacking}{hint}. The model takes {', '.join(names)}{keys}"
        raise InvalidInputError(msg)
    return {name: columns[name] for name in names}


def takes_keys(slot: Slot, columns: Columns) -> bool:
    """Whether rows are keys of the slot's view and not what its model takes."""
    if slot.view is None:
        return False
    signature = slot.version.signature
    whole = signature is not None and all(name in columns for name in signature.names)
    return not whole and _are_keys(slot.view, columns)


def _are_keys(view: ViewVersion, columns: Columns) -> bool:
    """Whether columns are those of a request to a view."""
    asked = {*view.view.request_keys, *view.view.request_inputs}
    return asked <= columns.keys() and not columns.keys() & {*view.view.feature_names} - asked
