"""Rows out of CSV and JSON lines, typed by the source."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from headrace.cli.reading import batches, csv_table
from headrace.definitions.plain import parse_time
from headrace.errors import InvalidInputError

SCHEMA = {
    "user_id": "int64",
    "stars": "float64",
    "name": "string",
    "at": "timestamp",
    "day": "date",
    "raw": "bytes",
    "ok": "bool",
}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def rows(text, count=1000):
    return [(part.first, part.last, part.rows) for part in batches(text.splitlines(keepends=True), SCHEMA, count)]


def test_json_lines_become_typed_rows():
    written = {
        "user_id": 7,
        "at": "2026-01-31T13:00:00+01:00",
        "day": "2026-01-31",
        "raw": "/w==",
        "stars": "NaN",
        "name": "2026-01-31",
    }
    text = json.dumps(written) + "\n"
    [(first, last, [row])] = rows(text)
    assert (first, last) == (1, 1)
    assert row.pop("stars") != row.get("stars")
    assert row == {"user_id": 7, "at": NOON, "day": date(2026, 1, 31), "raw": b"\xff", "name": "2026-01-31"}


def test_batches_are_cut_by_rows_and_know_their_lines():
    parts = rows('{"user_id": 1}\n\n{"user_id": 2}\n{"user_id": 3}\n', count=2)
    assert [(first, last, len(found)) for first, last, found in parts] == [(1, 3, 2), (4, 4, 1)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{user: 1}", "line 2 isn't JSON"),
        ("[1, 2]", "not a JSON object"),
        ('{"at": "yesterday"}', "RFC 3339"),
        ('{"at": 1769860800}', "RFC 3339"),
        ('{"day": "31.1."}', "a date"),
        ('{"raw": "?"}', "base64"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong(line, said):
    with pytest.raises(InvalidInputError, match="line 2") as caught:
        rows(f'{{"user_id": 1}}\n{line}\n')
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00:00Z", "2026-01-31 12:00", "2026-01-31T15:30+03:30", "2026-01-31T12:00:00.000000999Z"]
)
def test_times_are_utc_unless_they_say_otherwise(text):
    assert parse_time(text) == NOON


def test_csv_columns_have_the_types_of_the_source(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("user_id,stars,name,at,ok\n1,4.5,007,2026-01-31T12:00:00Z,true\n2,,,2026-01-31T13:00:00+01:00,false\n")
    table = csv_table(path, SCHEMA)
    assert table.to_pylist() == [
        {"user_id": 1, "stars": 4.5, "name": "007", "at": NOON, "ok": True},
        {"user_id": 2, "stars": None, "name": None, "at": NOON, "ok": False},
    ]


def test_csv_times_without_a_zone_are_utc(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text("user_id\tat\n1\t2026-01-31 12:00:00\n2\t2026-01-31T12:00:00.000000Z\n")
    assert csv_table(path, SCHEMA).column("at").to_pylist() == [NOON, NOON]


@pytest.mark.parametrize(
    ("body", "said"), [("x,2026-01-31", "invalid value 'x'"), ("1,soon", "row 0"), ("1", "Expected 2 columns")]
)
def test_a_bad_csv_value_is_named(tmp_path, body, said):
    path = tmp_path / "rows.csv"
    path.write_text(f"user_id,at\n{body}\n")
    with pytest.raises(InvalidInputError, match=r"rows\.csv") as caught:
        csv_table(path, SCHEMA)
    assert said in str(caught.value)
