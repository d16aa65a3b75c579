"""The answer to an online read of entities that nothing is known of: every default, and null where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.clock import Clock, system_clock
from headrace.definitions.version import ViewVersion
from headrace.features.asked import broadcast
from headrace.features.lookup import OnlineFeatures, complete, types_of
from headrace.features.values import columns_of, finish_values

__all__ = ["absent"]


def absent(view: ViewVersion, entities: Mapping[str, Any], clock: Clock = system_clock) -> OnlineFeatures:
    """What a read of the view would answer if the online store held nothing; on-demand features are computed of that.

    Raises:
        InvalidInputError: a key is missing or of the wrong type, or an on-demand function fails on nulls.
    """
    asked, rows = broadcast(view.id, view.view.request_keys, view.view.request_inputs, entities)
    at = clock()
    values, statuses = {}, {}
    for columns in columns_of(view):
        for name, outs in columns.names.items():
            feature = columns.group.feature(name)
            for out in outs:
                values[out], statuses[out] = finish_values(feature, columns.group.ttl_micros, [None] * rows, [None] * rows, at)
    times: dict[str, list[int | None]] = {out: [None] * rows for out in values}
    return complete(view, OnlineFeatures(view.id, asked, values, statuses, at, times, types_of(view)), asked)
