"""Pages of tables are what a reader of the whole file gives, and read no more of it than they have to."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv, parquet

from headrace.errors import InvalidInputError
from headrace.server.native.tables import MOST_BYTES, PIECE, RangedFile, parquet_page, text_page

ROW = 50
GIGANTIC = 2_000_000_000


class Counted:
    """A file whose reads are counted."""

    def __init__(self, size, read):
        self.bytes = 0
        self.most = 0
        self._read = read
        self.file = RangedFile(size, self._span)

    def _span(self, start, end):
        self.bytes += end - start
        self.most = max(self.most, end - start)
        return self._read(start, end)


def held(data):
    return Counted(len(data), lambda start, end: data[start:end])


def gigantic():
    """2 GB of rows of 50 bytes that hold their own number; nobody has them in memory."""

    def read(start, end):
        first, last = start // ROW, -(-end // ROW)
        rows = b"".join(
            b"n,text\n".rjust(ROW) if row == 0 else b"%d,%s\n" % (row, b"x" * (48 - len(str(row)))) for row in range(first, last)
        )
        return rows[start - first * ROW : end - first * ROW]

    return Counted(GIGANTIC, read)


def pages(data, limit, separator=","):
    """Every page after another, by where the one before ended."""
    start, found = 0, []
    while start is not None:
        page = text_page(held(data).file, separator, start, 0, limit)
        found.append(page)
        start = page.following
    return found


def test_a_page_of_a_file_of_2_gb_reads_its_own_bytes_alone():
    counted = gigantic()
    first = text_page(counted.file, ",", 0, 0, 100)
    assert first.table.column(0).to_pylist() == list(range(1, 101))
    assert (first.rows, first.following) == (None, 101 * ROW)
    deep = text_page(counted.file, ",", 30_000_000 * ROW, 0, 100)
    assert deep.table.column(0).to_pylist()[0] == 30_000_000
    last = text_page(counted.file, ",", GIGANTIC - 10 * ROW, 0, 100)
    assert (last.table.num_rows, last.following) == (10, None)
    assert counted.bytes < 12 * PIECE
    assert counted.most <= PIECE


def test_pages_together_are_the_file():
    text = 'a,b,c\r\n1,"x, ""y""\nz",2020-01-01\r\n\r\n2,5" pipe,2020-01-02\r\n3,,2020-01-03'
    whole = csv.read_csv(io.BytesIO(text.encode()), parse_options=csv.ParseOptions(newlines_in_values=True))
    for limit in (1, 2, 3, 100):
        found = pages(text.encode(), limit)
        assert pa.concat_tables([page.table for page in found]) == whole
        assert {page.rows for page in found} == {3}
    assert text_page(held(b"a\tb\n1\tx,y\n").file, "\t", 0, 0, 5).table.to_pylist() == [{"a": 1, "b": "x,y"}]
    assert text_page(held(text.encode()).file, ",", 0, 2, 5).table.to_pylist() == whole.slice(2).to_pylist()


VALUES = st.text(alphabet=st.sampled_from('ab,"\n\r é'), max_size=6).map("v".__add__)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12), st.integers(1, 5))
def test_whatever_is_quoted_comes_back(rows, limit):
    def quoted(value):
        return '"{}"'.format(value.replace('"', '""'))

    data = "\n".join(["p,q", *(",".join(map(quoted, row)) for row in rows)]).encode()
    found = pa.concat_tables(
        [page.table.cast(pa.schema([("p", pa.string()), ("q", pa.string())])) for page in pages(data, limit)]
    )
    assert [(row["p"], row["q"]) for row in found.to_pylist()] == rows


def test_columns_keep_their_types_where_the_rows_let_them():
    data = b"n,text\n" + b"".join(b"%d,%d\n" % (row, row) for row in range(1500)) + b"x,\n"
    found = pages(data, 500)
    assert [str(page.table.schema.field("n").type) for page in found] == ["int64", "int64", "int64", "string"]
    assert str(pages(b"n,m\n1.5,a\n2,b\n", 1)[1].table.schema.field("n").type) == "double"


def test_what_is_no_table_or_too_long_is_refused():
    for data in (b"", b"\n\n"):
        with pytest.raises(pa.ArrowInvalid):
            text_page(held(data).file, ",", 0, 0, 5)
    assert text_page(held(b"a,b").file, ",", 0, 0, 5).table.num_rows == 0
    with pytest.raises(InvalidInputError, match="longer than 8 MB"):
        text_page(held(b"a\n" + b"x" * (MOST_BYTES + PIECE)).file, ",", 0, 0, 5)
    with pytest.raises(pa.ArrowInvalid):
        parquet_page(held(b"PAR1 and nothing of it").file, 0, 5)


def test_long_rows_end_a_page_early():
    row = b"x" * (3 << 20)
    found = pages(b"a\n" + b"\n".join([row] * 5) + b"\n", 100)
    assert [page.table.num_rows for page in found] == [2, 2, 1]


def test_a_page_of_a_parquet_file_is_read_from_its_row_groups():
    rows = pa.table({"n": range(300_000), "text": [f"row {number} of a file" for number in range(300_000)]})
    sink = io.BytesIO()
    parquet.write_table(rows, sink, row_group_size=100_000)
    data = sink.getvalue()
    for offset, limit in ((0, 100), (99_950, 100), (250_000, 1000), (299_990, 100), (400_000, 10)):
        counted = held(data)
        page = parquet_page(counted.file, offset, limit)
        assert page.rows == 300_000
        assert page.table.to_pylist() == rows.slice(offset, limit).to_pylist()
        assert counted.bytes < len(data) * 0.8
