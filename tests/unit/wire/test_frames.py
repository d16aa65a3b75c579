"""Parts arrive whole however the network cuts them, and a cut is seen."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInputError
from headrace.wire import frames

TABLE = pa.table({"a": pa.array(range(200_000), pa.int64()), "s": pa.array(["é", None] * 100_000)})


@given(st.lists(st.tuples(st.sampled_from([frames.RESULT, frames.PROGRESS, frames.TABLE]), st.binary(max_size=50))), st.data())
def test_parts_arrive_whole_however_they_are_cut(sent, data):
    body = b"".join(frames.part(kind, content) for kind, content in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    parser = frames.Parser()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        found += parser.feed(body[start:end])
    parser.end()
    assert joined(found) == joined(sent)


def joined(parts):
    """Tables come in pieces: those of one table, or of tables side by side, are one here; an empty one is none."""
    found = []
    for kind, content in parts:
        if found and kind == found[-1][0] == frames.TABLE:
            found[-1] = kind, found[-1][1] + bytes(content)
        elif content or kind != frames.TABLE:
            found.append((kind, bytes(content)))
    return found


@pytest.mark.parametrize("table", [TABLE, TABLE.slice(0, 0), pa.table({}), pa.concat_tables([TABLE, TABLE]).slice(7)])
def test_a_table_arrives_equal(table):
    parser, reader = frames.Parser(), frames.TableReader()
    for piece in frames.table_parts(table):
        for kind, content in parser.feed(piece):
            assert kind == frames.TABLE
            reader.add(content)
    assert reader.table().equals(table)


def test_no_table_is_none():
    assert frames.TableReader().table() is None


def test_a_cut_and_nonsense_are_seen():
    parser = frames.Parser()
    assert list(parser.feed(frames.part(frames.RESULT, b"whole")[:-1])) == []
    with pytest.raises(InvalidInputError, match="middle"):
        parser.end()
    with pytest.raises(InvalidInputError, match="parts"):
        list(frames.Parser().feed(b"<html>what is this</html>"))
    reader = frames.TableReader()
    reader.add(b"no table")
    with pytest.raises(InvalidInputError, match="Arrow"):
        reader.table()
