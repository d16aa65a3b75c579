"""Checks of feature views and their on-demand features."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from headrace.definitions.faults import column_fault, default_fault, metadata_faults, name_faults, text_fault, type_fault
from headrace.definitions.group import FeatureSelection
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.view import FeatureView, on_demand_order
from headrace.errors import DefinitionError, nearest

__all__ = ["view_faults"]


def view_faults(view: FeatureView) -> Iterator[str]:
    """Everything wrong with a view, its groups left aside."""
    where = f"view {view.name!r}"
    yield from name_faults(where, view.name)
    yield from metadata_faults(where, view)
    if not view.features:
        yield f"{where}: has no features; name at least one group, selection or on-demand feature"
    for item in view.features:
        if not isinstance(item, FeatureSelection | OnDemandFeature):
            yield f"{where}: {item!r} is neither a feature group, a selection of one, nor an on-demand feature"
    for selection in view.selections:
        yield from _selection_faults(where, selection)
    for feature in view.on_demand:
        yield from _on_demand_faults(f"{where}, on-demand feature {feature.name!r}", feature)
    if not all(isinstance(name, str) for feature in view.on_demand for name in (feature.name, *feature.inputs)):
        return  # it was told; what isn't text can't be looked up among names
    yield from _key_type_faults(where, view)
    yield from _collision_faults(where, view)
    try:
        on_demand_order(view)
    except DefinitionError as error:
        yield from error.faults


def _selection_faults(where: str, selection: FeatureSelection) -> Iterator[str]:
    group = selection.group
    known = [feature.name for feature in group.resolved]
    for name in selection.names:
        if name not in known:
            yield f"{where}: group {group.name!r} has no feature {name!r}{nearest(str(name), known)}"
    for key, column in selection.renamed_keys.items():
        if key not in group.entity.keys:
            clause = nearest(str(key), group.entity.keys)
            yield f"{where}, keyed(): entity {group.entity.name!r} of group {group.name!r} has no key {key!r}{clause}"
        fault = column_fault(column)
        if fault is not None:
            yield f"{where}, keyed(): {fault}"
    if selection.prefix:
        for name in _selected(selection):
            fault = column_fault(selection.prefix + name)
            if fault is not None:
                yield f"{where}, prefixed(): {fault}"


def _on_demand_faults(where: str, feature: OnDemandFeature) -> Iterator[str]:
    fault = column_fault(feature.name)
    if fault is not None:
        yield f"{where}: {fault}"
    fault = type_fault(feature.dtype, lists=True)
    if fault is not None:
        yield f"{where}, returns: {fault}"
    elif (fault := default_fault(feature.default, feature.dtype)) is not None:
        yield f"{where}: {fault}"
    if (fault := text_fault(feature.description)) is not None:
        yield f"{where}, description: {fault}"
    if not feature.inputs:
        yield f"{where}: has no inputs; name at least one, so that its rows are known"
    for name in feature.inputs:
        if text_fault(name) is not None or not name.strip():
            yield f"{where}, inputs: {name!r} isn't the name of a feature or a column of the request"
    if feature.function is not None and not _takes(feature):
        yield f"{where}: its function doesn't take its {len(feature.inputs)} inputs as {inspect.signature(feature.function)}"


def _takes(feature: OnDemandFeature) -> bool:
    assert feature.function is not None  # noqa: S101 - asked by the caller
    try:
        inspect.signature(feature.function).bind(*feature.inputs)
    except TypeError:
        return False
    except ValueError:  # a built-in without a signature: nothing to compare with
        return True
    return True


def _key_type_faults(where: str, view: FeatureView) -> Iterator[str]:
    types: dict[str, tuple[str, str]] = {}
    for selection in view.selections:
        for key, column in selection.request_keys.items():
            kind = selection.group.entity.keys[key]
            first_kind, first_group = types.setdefault(column, (kind, selection.group.name))
            if kind != first_kind:
                yield (
                    f"{where}: key column {column!r} is {first_kind} for group {first_group!r} and {kind} for group "
                    f'{selection.group.name!r}; give one another column: .keyed({key}="…")'
                )


def _collision_faults(where: str, view: FeatureView) -> Iterator[str]:
    owners: dict[str, str] = {}
    keys = {column for selection in view.selections for column in selection.request_keys.values()}
    for name, owner in _columns(view):
        if name in keys:
            yield f"{where}: {owner} has a feature {name!r}, which is also a join key of the view; rename it, or leave it out"
        if name in owners:
            yield f"{where}: feature {name!r} comes from {owners[name]} and from {owner}; {_way_out(view, owner)}"
        owners[name] = owner


def _columns(view: FeatureView) -> Iterator[tuple[str, str]]:
    """Each column with who makes it."""
    for item in view.features:
        if isinstance(item, FeatureSelection):
            yield from ((item.prefix + name, f"group {item.group.name!r}") for name in _selected(item))
        elif isinstance(item, OnDemandFeature):
            yield item.name, f"on-demand feature {item.name!r}"


def _selected(selection: FeatureSelection) -> tuple[str, ...]:
    return selection.names or tuple(feature.name for feature in selection.group.resolved)


def _way_out(view: FeatureView, owner: str) -> str:
    if owner.startswith("on-demand"):
        return "give it another name with @hr.on_demand(..., name=…)"
    group = next(item.group for item in view.selections if owner == f"group {item.group.name!r}")
    key = next(iter(group.entity.keys), "key")
    return f'rename one with .prefixed("{group.name}_"), or for another key .keyed({key}="other_{key}").prefixed("other_")'
