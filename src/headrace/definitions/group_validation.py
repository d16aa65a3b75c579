"""Checks of feature groups, and the types of their features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from headrace.definitions.aggregation import FUNCTIONS, Aggregation, Column, Feature, result_type
from headrace.definitions.entity import Entity
from headrace.definitions.expression import Binder, check_expression
from headrace.definitions.faults import column_fault, default_fault, metadata_faults, name_faults, text_fault, type_fault
from headrace.definitions.group import FeatureGroup
from headrace.definitions.schema import Schema, is_number, vector_size
from headrace.definitions.source import EventSource, TableSource
from headrace.definitions.window import format_duration
from headrace.errors import nearest

__all__ = ["resolve_group"]

_NUMERIC = ("sum", "mean", "std")
_OF_VECTORS = ("first", "last")


def resolve_group(group: FeatureGroup, binder: Binder) -> tuple[FeatureGroup, list[str]]:
    """The group with the types of its features filled in, and everything wrong with it."""
    where = f"group {group.name!r}"
    faults = [*name_faults(where, group.name), *metadata_faults(where, group)]
    if not isinstance(group.entity, Entity):
        faults.append(f"{where}, entity: {group.entity!r} isn't an hr.Entity")
    if not isinstance(group.source, EventSource | TableSource):
        faults.append(f"{where}, source: {group.source!r} isn't an hr.EventSource or hr.TableSource")
        return group, faults
    if isinstance(group.entity, Entity):
        faults.extend(_key_faults(where, group))
    if not group.resolved:
        faults.append(f"{where}: has no features; name at least one")
    schema = {name: kind for name, kind in group.source.schema.items() if type_fault(kind) is None}
    features = []
    for feature in group.resolved:
        typed, found = _resolve_feature(feature, group, schema, binder)
        features.append(typed)
        faults.extend(f"{where}, feature {feature.name!r}{fault}" for fault in found)
    return (group if faults else group.with_types(tuple(features))), faults


def _key_faults(where: str, group: FeatureGroup) -> Iterator[str]:
    schema = group.source.schema
    for key in group.keys:
        if key not in group.entity.keys:
            yield f"{where}, keys: entity {group.entity.name!r} has no key {key!r}{nearest(str(key), group.entity.keys)}"
    for key, column in group.key_columns.items():
        kind = group.entity.keys[key]
        if column not in schema:
            clause = nearest(str(column), schema)
            yield f"{where}: source {group.source.name!r} has no column {column!r} for key {key!r}{clause}; or map it with keys="
        elif schema[column] != kind:
            yield (
                f"{where}: key {key!r} of entity {group.entity.name!r} is {kind}, "
                f"but column {column!r} of source {group.source.name!r} is {schema[column]}; they must be equal"
            )
    columns = list(group.key_columns.values())
    for column in dict.fromkeys(column for column in columns if columns.count(column) > 1):
        yield f"{where}, keys: two keys read the column {column!r}; map each to its own"


def _resolve_feature(feature: Feature, group: FeatureGroup, schema: Schema, binder: Binder) -> tuple[Feature, list[str]]:
    """The typed feature, and its faults, each starting with the field: `, where: …`."""
    fault = column_fault(feature.name)
    faults = [f": {fault}"] if fault else []
    value: Any = feature.value
    if isinstance(value, Aggregation):
        found = _aggregation_type(value, schema, binder, faults)
        if group.source.is_table:
            faults.append(": a table source's records hold until a newer one; write a SQL expression, not an aggregation")
    elif isinstance(value, Column):
        found = _column_type(value, schema, binder, faults)
        if not group.source.is_table:
            faults.append(": an event source's features are aggregations, for example hr.last('title'), not a plain expression")
    else:
        faults.append(f": {value!r} is neither an aggregation, hr.column nor a SQL expression")
        return feature, faults
    fault = text_fault(value.description)
    if fault is not None:
        faults.append(f", description: {fault}")
    typed = replace(feature, dtype=found[0], argument_dtype=found[1])
    fault = default_fault(value.default, typed.dtype) if typed.dtype else None
    return typed, [*faults, f": {fault}"] if fault else faults


def _column_type(value: Column, schema: Schema, binder: Binder, faults: list[str]) -> tuple[str, str]:
    checked = check_expression(value.expression, schema, binder)
    faults.extend(f": {fault}" for fault in checked.faults)
    return checked.dtype, ""


def _aggregation_type(value: Aggregation, schema: Schema, binder: Binder, faults: list[str]) -> tuple[str, str]:
    """The types of the result and of the argument, empty where they are unknown; faults are added to the list."""
    faults.extend(_window_faults(value))
    if value.where is not None:
        condition = check_expression(value.where, schema, binder)
        faults.extend(f", where: {fault}" for fault in condition.faults)
        if condition.dtype not in ("", "bool"):
            faults.append(f", where: {value.where!r} is {condition.dtype}, not a condition; compare it with something")
    if not isinstance(value.function, str) or value.function not in FUNCTIONS:
        faults.append(f": no aggregation named {value.function!r}{nearest(str(value.function), FUNCTIONS)}")
        return "", ""
    if value.function == "count":
        if value.argument is not None:
            faults.append(f": count has no argument, not {value.argument!r}; say with where= which rows to count")
        return "int64", ""
    argument = check_expression(value.argument, schema, binder)
    faults.extend(f", argument of {value.function}: {fault}" for fault in argument.faults)
    if not argument.dtype:
        return "", ""
    if vector_size(argument.dtype) is not None and value.function not in _OF_VECTORS:
        faults.append(
            f", argument of {value.function}: {value.argument!r} is {argument.dtype}; of vectors there are only hr.first, "
            f"hr.last and hr.count. Aggregate one of its numbers, for example hr.{value.function}('{value.argument}[1]')"
        )
        return "", argument.dtype
    if value.function in _NUMERIC and not is_number(argument.dtype):
        cast = f"CAST({value.argument} AS BIGINT)" if argument.dtype == "bool" else f"TRY_CAST({value.argument} AS DOUBLE)"
        way = "" if argument.dtype in ("bytes", "timestamp", "date") else f"; cast it: {cast}"
        faults.append(f", argument of {value.function}: {value.argument!r} is {argument.dtype}, not a number{way}")
        return "", argument.dtype
    return result_type(value.function, argument.dtype), argument.dtype


def _window_faults(value: Aggregation) -> Iterator[str]:
    for field, micros in (("window", value.window), ("hop", value.hop)):
        if micros is not None and type(micros) is not int:
            yield f", {field}: {micros!r} isn't a whole number of microseconds; hr.{value.function} takes '7d'"
            return
    if value.window is None and value.hop is not None:
        yield ", hop: there is no window for it to step; give window= or leave hop= out"
    elif value.window is not None and value.window <= 0:
        yield ", window: must be positive, for example '7d'"
    elif value.window is not None and value.hop is None:
        yield f", window: no default hop cuts {format_duration(value.window)} into at most 100 equal steps; give hop="
    elif value.window is not None and value.hop is not None and (value.hop <= 0 or value.window % value.hop):
        window, hop = format_duration(value.window), format_duration(value.hop)
        yield f", hop: {hop} doesn't divide the window {window}; choose one that does"
    if value.function == "last_n" and (not isinstance(value.n, int) or isinstance(value.n, bool) or value.n < 1):
        yield f", n: {value.n!r} isn't a whole number of at least 1"
    if value.function != "last_n" and value.n is not None:
        yield f", n: {value.function} has none, not {value.n!r}; only last_n takes one"
