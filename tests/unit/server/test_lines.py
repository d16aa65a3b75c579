"""Lines that have a text in them are found in pieces of any size as in the whole file."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from headrace.server.native.lines import LONGEST, SHOWN, find_lines, seen

TEXTS = st.text(st.sampled_from("aAbÄä\r\n\x1b[1m€"), max_size=60)


@given(TEXTS, st.sampled_from(["a", "ab", "ä", "€", "1"]), st.integers(1, 9), st.integers(0, 4))
def test_what_is_found_is_what_is_in_the_lines(text, wanted, size, most):
    data = text.encode()
    found = find_lines((data[at : at + size] for at in range(0, len(data), size)), wanted, most)
    *whole, last = data.split(b"\n")
    starts = [sum(len(line) + 1 for line in whole[:place]) for place in range(len(whole) + 1)]
    expected = [(starts[place], place + 1, seen(line)) for place, line in enumerate(whole) if wanted in seen(line).lower()]
    assert [(line.start, line.number, line.text) for line in found.lines] == expected[:most]
    assert (found.found, found.count, found.end) == (len(expected), len(whole), starts[-1])
    assert (found.last is not None) == (wanted in seen(last).lower())


def test_a_line_is_what_a_terminal_shows_of_it():
    assert seen(b"10%\r50%\r100%\r") == "100%"
    assert seen(b"\x1b[1;31merror\x1b[0m: \xff no") == "error: \ufffd no"
    assert find_lines([b"err\x1b[31mor 7\n"], "ERROR", 1).lines[0].text == "error 7"


def test_a_file_without_line_ends_is_looked_through_in_little_memory():
    piece = b"x" * (1 << 20)
    tracemalloc.start()
    found = find_lines((piece for _ in range(64)), "x", 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(found.lines[0].text), found.end) == (SHOWN, found.lines[-1].start + LONGEST + (1 << 20))
    assert peak < 12 * LONGEST
