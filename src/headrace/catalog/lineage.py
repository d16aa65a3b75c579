"""Which columns feed which features, groups and views, as pairs of URNs."""

from __future__ import annotations

from headrace.catalog.hashing import feature_columns
from headrace.definitions.version import GroupVersion, ViewVersion

__all__ = ["lineage_pairs"]


def lineage_pairs(version: GroupVersion | ViewVersion) -> list[tuple[str, str]]:
    """(source URN, target URN) pairs of one group or view version, column level, sorted and without repeats.

    A group: `source:S` → `source:S.COLUMN` → `feature:G:V.F` → `group:G:V`; a feature that reads no column, such as a count,
    hangs on the source; the timestamp and the key columns hang on the group. A view: `group:G:V` → `view:N:V`. V of a group is
    its basis, the one that names its values in every store.
    """
    return _view_pairs(version) if isinstance(version, ViewVersion) else _group_pairs(version)


def _group_pairs(version: GroupVersion) -> list[tuple[str, str]]:
    group, urn = version.group, f"group:{version.id}"
    source = f"source:{group.source.name}"
    pairs = set()
    for column in (group.source.timestamp, *group.key_columns.values()):
        pairs |= {(source, f"{source}.{column}"), (f"{source}.{column}", urn)}
    for name, columns in feature_columns(group).items():
        feature = f"feature:{version.id}.{name}"
        pairs.add((feature, urn))
        pairs |= {(source, f"{source}.{column}") for column in columns}
        pairs |= {(f"{source}.{column}", feature) for column in columns} or {(source, feature)}
    return sorted(pairs)


def _view_pairs(version: ViewVersion) -> list[tuple[str, str]]:
    return sorted((f"group:{group.id}", f"view:{version.id}") for group in version.groups.values())
