"""What each query reflected, where every query has limits of its own: only events up to an offset of each partition count.

The queries of one entity that were answered one after the other reflect more and more. So an event has a rank: that of the
first query that reflects it, and a query sees the events of at most its own rank. What is known by a time is found likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Reflected"]

Ints = NDArray[np.int64]

NOTHING = -1
"""In place of an offset: nothing of the partition is reflected."""


@dataclass(frozen=True)
class Reflected:
    """Queries in the order in which they reflect more and more.

    Attributes:
        codes: the number of each query's chain: queries of one entity of which each reflects all that the one before did.
        entities: the entity of each chain.
        ranks: of each query.
        chains, partitions, offsets, firsts: a step each: events of a chain and partition after the step before and up to this
            offset have this rank.
    """

    codes: Ints
    entities: Ints
    ranks: Ints
    chains: Ints
    partitions: NDArray[np.int32]
    offsets: Ints
    firsts: Ints

    @classmethod
    def of(cls, entities: NDArray[np.integer], limits: Sequence[Mapping[int, int]]) -> Reflected:
        """Order queries by what they reflect.

        Args:
            entities: the number of each query's entity.
            limits: for each query, partition to the highest offset reflected; partitions not named aren't.
        """
        partitions = sorted({partition for limit in limits for partition in limit})
        offsets = np.array([[limit.get(p, NOTHING) for p in partitions] for limit in limits], np.int64)
        offsets = offsets.reshape(len(limits), len(partitions))
        # What reflects more has the greater sum of places, and follows.
        places = [np.unique(column, return_inverse=True)[1] for column in offsets.T]
        order = np.lexsort((np.sum(places, axis=0, initial=0) if places else np.zeros(len(limits)), entities))
        ordered, owners = offsets[order], entities[order].astype(np.int64)
        starts = np.ones(len(order), bool)
        starts[1:] = (owners[1:] != owners[:-1]) | (ordered[1:] < ordered[:-1]).any(axis=1)
        chains = np.cumsum(starts) - 1
        steps = np.ones(ordered.shape, bool)
        steps[1:] = (ordered[1:] != ordered[:-1]) | starts[1:, None]
        places_of, columns = np.nonzero(steps & (ordered > NOTHING))
        codes, ranks = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
        codes[order], ranks[order] = chains, np.arange(len(order))
        return cls(
            codes,
            owners[starts],
            ranks,
            chains[places_of],
            np.array(partitions, np.int32)[columns],
            ordered[places_of, columns],
            places_of,
        )
