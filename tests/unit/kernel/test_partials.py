"""Cells of tiles at the edges of what they hold."""

from __future__ import annotations

import numpy as np
import pytest

from headrace.kernel.partials import Block, IntTotal, integer_total


@pytest.mark.parametrize("numbers", [[2**62, 2**62], [-(2**63)], [2**63 - 1, 1], [-(2**63), -1]])
def test_a_sum_of_integers_is_exact_where_no_int64_holds_it(numbers):
    places = np.arange(len(numbers))
    block = Block(np.array(numbers), None, np.array([0]), places, places, places)
    assert integer_total(IntTotal("v", None).cells(block)) == sum(numbers)
    assert integer_total(IntTotal("v", None, power=2).cells(block)) == sum(number**2 for number in numbers)
