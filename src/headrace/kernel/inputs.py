"""What the kernel needs of each row: the arguments and conditions of a group's features, as SQL to evaluate once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.definitions.aggregation import Aggregation, Feature
from headrace.definitions.group import FeatureGroup
from headrace.definitions.schema import sql_type

__all__ = ["FeatureInput", "GroupInputs", "group_inputs"]


@dataclass(frozen=True, slots=True)
class FeatureInput:
    """The columns that one feature reads.

    Attributes:
        argument: column of the argument; None for count.
        where: bool column, never null; None if every row counts.
    """

    feature: Feature
    argument: str | None
    where: str | None


@dataclass(frozen=True, slots=True)
class GroupInputs:
    """What to evaluate per row, and which feature reads what.

    Attributes:
        expressions: column name to SQL over the source's columns, each distinct text once, cast to its declared type.
        features: in the order asked for.
    """

    expressions: Mapping[str, str]
    features: tuple[FeatureInput, ...]


def group_inputs(group: FeatureGroup, names: Sequence[str] | None = None) -> GroupInputs:
    """The inputs of a group's features, all or those named. Types must be resolved."""
    columns: dict[str, str] = {}

    def add(sql: str) -> str:
        return columns.setdefault(sql, f"i{len(columns)}")

    features = []
    for feature in group.resolved if names is None else [group.feature(name) for name in names]:
        value = feature.value
        if isinstance(value, Aggregation):
            argument = None if value.argument is None else add(f"CAST(({value.argument}) AS {sql_type(feature.argument_dtype)})")
            where = None if value.where is None else add(f"COALESCE(({value.where}), FALSE)")
        else:
            argument, where = add(f"CAST(({value.expression}) AS {sql_type(feature.dtype)})"), None
        features.append(FeatureInput(feature, argument, where))
    return GroupInputs({column: sql for sql, column in columns.items()}, tuple(features))
