"""A stream that somebody sent takes no more memory than it took on the way."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest

from headrace.wire.arrow import read_stream


def stream(table, compression=None):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return sink.getvalue()


TABLE = pa.table(
    {
        "a": pa.array([1, None, 3]),
        "s": pa.array(["x", "é", None]),
        "d": pa.array(["p", "q", "p"]).dictionary_encode(),
        "l": pa.array([[1.5], [], None]),
        "n": pa.nulls(3),
    }
)


@pytest.mark.parametrize("table", [TABLE, TABLE.slice(0, 0), pa.table({}), pa.concat_tables([TABLE, TABLE])])
def test_a_stream_is_read_whole(table):
    assert read_stream(stream(table)).equals(table)


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
@pytest.mark.parametrize("columns", [["a"], ["d"], ["s", "l"]])
def test_a_compressed_stream_is_refused_before_it_is_unpacked(compression, columns):
    large = pa.concat_tables([TABLE.select(columns)] * 10_000).combine_chunks().unify_dictionaries()
    with pytest.raises(pa.ArrowInvalid, match="send it uncompressed"):
        read_stream(stream(large, compression))


def test_what_is_refused_has_taken_no_memory():
    sent = stream(pa.table({"a": np.zeros(8_000_000)}), "zstd")
    before = pa.total_allocated_bytes()
    peak = pa.default_memory_pool().max_memory()
    with pytest.raises(pa.ArrowInvalid):
        read_stream(sent)
    assert len(sent) < 100_000
    assert pa.default_memory_pool().max_memory() == peak
    assert pa.total_allocated_bytes() == before


def test_more_rows_than_bytes_are_refused():
    with pytest.raises(pa.ArrowInvalid, match="1,000,000 rows in"):
        read_stream(stream(pa.table({"a": pa.nulls(1_000_000)})))


def test_whatever_is_changed_in_it_nothing_else_is_raised():
    whole = stream(TABLE)
    rng = np.random.default_rng(7)
    for _ in range(3000):
        broken = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            broken[at] = rng.integers(0, 256)
        try:
            read_stream(bytes(broken))
        except (pa.ArrowException, OSError):
            continue
