"""Messages and rows: what is written comes back as it was; what isn't a row is told with its reason, and nothing else is."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime

import orjson
import pyarrow as pa
import pytest

from headrace.errors import SettingsError
from headrace.events.payload import FORMATS, ROW_BITS, PayloadError, Shape, codec_of, decode

SCHEMA = {
    "k": "int64",
    "n": "int32",
    "x": "float64",
    "f": "float32",
    "s": "string",
    "b": "bytes",
    "ok": "bool",
    "day": "date",
    "v": "vector[3]",
    "at": "timestamp",
}
SHAPE = Shape(SCHEMA, frozenset({"k", "at"}))
SMALL = Shape({"k": "int64", "x": "float64", "at": "timestamp"}, frozenset({"k", "at"}))


def table():
    times = [
        datetime(2026, 1, 31, 12, 0, 0, 123456, UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    ]
    return pa.table(
        {
            "k": pa.array([2**63 - 1, -(2**63), 0], pa.int64()),
            "n": pa.array([2**31 - 1, None, -1], pa.int32()),
            "x": pa.array([math.inf, -math.inf, None]),
            "f": pa.array([0.1, math.nan, -0.0], pa.float32()),
            "s": ["ü\0\n", "", None],
            "b": pa.array([b"\0\xff", b"", None], pa.binary()),
            "ok": [True, False, None],
            "day": pa.array([date(1960, 2, 29), None, date(9999, 12, 31)]),
            "v": pa.array([[1.5, -0.0, 0.1], None, [math.inf, math.nan, 2]], pa.list_(pa.float32(), 3)),
            "at": pa.array(times, pa.timestamp("us", "UTC")),
        }
    )


def faults(shape, *messages, name="json"):
    return decode(codec_of(name, shape), messages).faults


@pytest.mark.parametrize("name", FORMATS)
def test_rows_come_back_as_they_were(name):
    codec = codec_of(name, SHAPE, rows=1 << ROW_BITS)
    messages = codec.encode(table())
    found = decode(codec, [message for message, _ in messages])
    assert not found.faults
    assert found.rows.schema.equals(table().schema)
    assert repr(found.rows.to_pylist()) == repr(table().to_pylist())  # NaN isn't equal to itself
    assert sum(found.counts) == sum(count for _, count in messages) == 3


@pytest.mark.parametrize("name", FORMATS)
def test_no_messages_are_no_rows(name):
    found = decode(codec_of(name, SHAPE), [])
    assert found.rows.num_rows == 0
    assert found.rows.schema.equals(table().schema)
    assert decode(codec_of(name, SHAPE), [None]).faults == {0: "the message is empty (a tombstone)"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'\xff\xfe"', "not JSON"),
        (b"7", "not an object"),
        (b'"at"', "not an object"),
        (b"[1, 2]", "not an object"),
        (b"null", "not an object"),
        (b'{"k": 1, "x": 1}', "column 'at' is missing"),
        (b'{"k": null, "x": 1, "at": "2026-01-01T00:00:00Z"}', "column 'k' is null"),
        (b'{"k": 1.5, "x": 1, "at": "2026-01-01T00:00:00Z"}', "column 'k' holds 1.5, but int64 is expected"),
        (b'{"k": 1.0, "x": 1, "at": "2026-01-01T00:00:00Z"}', "column 'k' holds 1.0, but int64 is expected"),
        (b'{"k": true, "x": 1, "at": "2026-01-01T00:00:00Z"}', "column 'k' holds True, but int64 is expected"),
        (b'{"k": "1", "x": 1, "at": "2026-01-01T00:00:00Z"}', "column 'k' holds '1', but int64 is expected"),
        (b'{"k": 9223372036854775808, "x": 1, "at": "2026-01-01T00:00:00Z"}', "column 'k' holds 9223372036854775808"),
        (b'{"k": 1, "x": 9007199254740993, "at": "2026-01-01T00:00:00Z"}', "column 'x' holds 9007199254740993"),
        (b'{"k": 1, "x": "1.5", "at": "2026-01-01T00:00:00Z"}', "column 'x' holds '1.5', but float64 is expected"),
        (b'{"k": 1, "x": 1, "at": "yesterday"}', "column 'at' holds 'yesterday', but timestamp is expected"),
        (b'{"k": 1, "x": 1, "at": ""}', "column 'at' holds '', but timestamp is expected"),
        (b'{"k": 1, "x": 1, "at": 1767225600}', "declare its unit"),
        (b'{"k": 1, "x": 1, "at": true}', "column 'at' holds True, but timestamp is expected"),
        (b'{"k": 1, "x": 1, "at": null}', "column 'at' is null"),
        (b'{"k": 1, "x": [1], "at": "2026-01-01T00:00:00Z"}', "column 'x' holds [1], but float64 is expected"),
    ],
)
def test_what_is_no_row_is_told_and_its_neighbours_come_through(value, reason):
    good = b'{"k": 5, "x": 0.5, "at": "2026-01-01T00:00:00Z", "unknown": {"to": "us"}}'
    found = decode(codec_of("json", SMALL), [good, value, good, None, good])
    assert set(found.faults) == {1, 3}
    assert reason in found.faults[1]
    assert found.rows["k"].to_pylist() == [5, 5, 5]
    assert found.counts == [1, 0, 1, 0, 1]


def test_times_are_text_of_any_zone_or_numbers_of_the_declared_unit():
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    texts = ["2026-01-01T12:00:00Z", "2026-01-01T14:00:00+02:00", "2026-01-01T12:00:00", "2026-01-01T12:00:00.0000009Z"]
    for unit, number in ("s", 1767268800), ("ms", 1767268800_000), ("us", 1767268800_000_000):
        shape = Shape(SMALL.schema, SMALL.required, unit)
        values = [orjson.dumps({"k": 1, "x": None, "at": at}) for at in [*texts, number]]
        found = decode(codec_of("json", shape), values)
        assert not found.faults
        assert found.rows["at"].to_pylist() == [moment] * 5
    beyond = orjson.dumps({"k": 1, "x": None, "at": 1767268800_000_000})
    assert "timestamp is expected" in faults(Shape(SMALL.schema, SMALL.required, "s"), beyond)[0]


def test_a_missing_column_is_null_only_if_the_url_says_so_and_it_isnt_required():
    lenient = Shape(SMALL.schema, SMALL.required, lenient=True)
    found = decode(
        codec_of("json", lenient), [b'{"k": 1, "at": "2026-01-01T00:00:00Z"}', b'{"x": 1, "at": "2026-01-01T00:00:00Z"}']
    )
    assert found.rows["x"].to_pylist() == [None]
    assert found.faults == {1: "column 'k' is missing"}


def test_a_message_may_lack_the_keys_of_some_groups_but_not_of_all():
    either = Shape(SMALL.schema, frozenset({"at"}), lenient=True, keys=(("k",), ("x",)))
    at = '"at": "2026-01-01T00:00:00Z"'
    values = [f'{{"k": 1, {at}}}'.encode(), f'{{"x": 1, {at}}}'.encode(), f'{{"k": null, {at}}}'.encode()]
    found = decode(codec_of("json", either), values)
    assert (found.rows["k"].to_pylist(), found.rows["x"].to_pylist()) == ([1, None], [None, 1.0])
    assert found.faults == {2: "the key of every group is null: k, x"}


def test_many_bad_messages_among_good_ones_are_each_found():
    values = [orjson.dumps({"k": i if i % 7 else "bad", "x": 1, "at": "2026-01-01T00:00:00Z"}) for i in range(1000)]
    found = decode(codec_of("json", SMALL), values)
    assert set(found.faults) == set(range(0, 1000, 7))
    assert found.rows["k"].to_pylist() == [i for i in range(1000) if i % 7]


def test_avro_takes_a_schema_of_its_own():
    schema = {
        "type": "record",
        "name": "theirs",
        "fields": [
            {"name": "extra", "type": "string"},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "k", "type": "int"},
            {"name": "x", "type": ["null", "float"]},
        ],
    }
    shape = Shape(SMALL.schema, SMALL.required, avro_schema=json.dumps(schema))
    codec = codec_of("avro-confluent", shape)
    import io

    from fastavro import schemaless_writer

    out = io.BytesIO()
    schemaless_writer(out, schema, {"extra": "", "at": datetime(2026, 1, 1, tzinfo=UTC), "k": 7, "x": 0.5})
    message = b"\0\0\0\0\x2a" + out.getvalue()
    found = decode(codec, [message, out.getvalue(), message[:-1], message + b"x", b""])
    assert found.rows.to_pylist() == [{"k": 7, "x": 0.5, "at": datetime(2026, 1, 1, tzinfo=UTC)}]
    assert "framing" in found.faults[4]
    assert "not Avro" in found.faults[2]
    assert "bytes are left" in found.faults[3]
    with pytest.raises(SettingsError, match="Avro schema can't be used"):
        codec_of("avro", Shape(SMALL.schema, avro_schema='{"type": "nonsense"}'))


def test_an_arrow_message_is_cast_without_loss_or_refused():
    good = pa.table(
        {"k": pa.array([1, 2], pa.int32()), "x": pa.array([1, 2], pa.int8()), "at": pa.array([0, 1], pa.timestamp("ms", "UTC"))}
    )
    codec = codec_of("arrow", SMALL, rows=1 << ROW_BITS)
    wrong = {
        "k": pa.array([1.0, 2.0]),
        "x": pa.array(["1", "2"]),
        "at": pa.array([0, 1], pa.int64()),
    }
    bad = [stream(good.set_column(good.column_names.index(name), name, values)) for name, values in wrong.items()]
    many = stream(pa.concat_tables([good] * 600))
    found = decode(codec, [stream(good), *bad, b"junk", stream(good.drop_columns("x")), many])
    assert found.rows["k"].to_pylist() == [1, 2]
    assert [name in found.faults[place] for place, name in enumerate(wrong, start=1)] == [True] * 3
    assert "not an Arrow stream" in found.faults[4]
    assert "'x' is missing" in found.faults[5]
    assert "1200 rows" in found.faults[6]
    with pytest.raises(PayloadError, match="may hold one"):
        codec_of("arrow", SMALL).decode([stream(good)])


def stream(rows):
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, rows.schema) as writer:
        writer.write_table(rows)
    return out.getvalue().to_pybytes()


@pytest.mark.parametrize(
    "vector", [[1, 2], [1, 2, 3, 4], [1, 2, None], [1, 2, "x"], [1, 2, True], "[1, 2, 3]", 7, [[1], [2], [3]], {"0": 1}]
)
def test_what_is_no_vector_of_that_length_is_told(vector):
    shape = Shape({"k": "int64", "v": "vector[3]"})
    good, bad = (orjson.dumps({"k": 1, "v": value}) for value in ([1, 2.5, "NaN"], vector))
    found = decode(codec_of("json", shape), [good, bad])
    assert list(found.faults) == [1]
    assert "but vector[3] is expected" in found.faults[1]
    assert found.rows["v"].to_pylist()[0][:2] == [1.0, 2.5]


def test_an_arrow_message_of_lists_holds_vectors_only_of_their_length():
    shape = Shape({"v": "vector[3]"})
    wide = pa.table({"v": pa.array([[1, 2, 3], None], pa.list_(pa.float64()))})
    codec = codec_of("arrow", shape, 10)
    assert decode(codec, [stream(wide)]).rows["v"].to_pylist() == [[1, 2, 3], None]
    for items in ([[1.0, 2.0]], [[1.0, 2.0, None]], [["a", "b", "c"]], [1.0]):
        assert "but vector[3] is expected" in decode(codec, [stream(pa.table({"v": items}))]).faults[0]
