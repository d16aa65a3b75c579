"""SQL expressions: what is refused and why, and the types of what is accepted."""

from __future__ import annotations

import pytest

from headrace.definitions.expression import Binder, check_expression, columns_of, may_fail
from headrace.errors import InvalidInputError

SCHEMA = {
    "stars": "float64",
    "genres": "string",
    "rated_at": "timestamp",
    "day": "date",
    "small": "int32",
    "views": "int64",
    "liked": "bool",
    "score": "float32",
}


@pytest.fixture(scope="module")
def binder():
    with Binder() as binder:
        yield binder


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("stars", "float64"),
        ("small", "int32"),
        ("(small)", "int32"),
        ("small + 1", "int64"),
        ("views + 1", "int64"),
        ("views * 1.5", "float64"),
        ("views / 2", "float64"),
        ("score * 2", "float32"),
        ("stars >= 4", "bool"),
        ("views >= '4'", "bool"),
        ("contains(genres, 'Comedy')", "bool"),
        ("genres LIKE '%Comedy%' AND liked", "bool"),
        ("genres || '!'", "string"),
        ("extract(hour from rated_at)", "int64"),
        ("date_trunc('day', rated_at)", "timestamp"),
        ("rated_at::timestamp", "timestamp"),
        ("rated_at::date", "date"),
        ("rated_at >= '2020-01-01'", "bool"),
        ("epoch(rated_at)", "float64"),
        ("CASE WHEN liked THEN 1 ELSE 2 END", "int64"),
        ("list_sum([views])", "int64"),
        ("list_transform([views], lambda x: x + 1)[1]", "int64"),
        ("coalesce(stars, 0)", "float64"),
        ("coalesce(small, 0) = 1 OR liked IS NULL", "bool"),
        ("STARS", "float64"),
        ('"stars" + 1', "float64"),
        ("encode(genres)", "bytes"),
    ],
)
def test_types_are_those_that_duckdb_computes(binder, text, dtype):
    found = check_expression(text, SCHEMA, binder)
    assert (found.faults, found.dtype) == ((), dtype)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "isn't a SQL expression"),
        (None, "isn't a SQL expression"),
        (5, "isn't a SQL expression"),
        ("stars >=", "column 7, near '>='"),
        ("stars +\n (", "line 2, column 2, near '('"),
        ("stars)", "column 6, near ')'"),
        ("DROP TABLE x", "column 1, near 'DROP'"),
        ("'open", "unclosed quote"),
        ("stars; stars", "more than one statement"),
        ("stars;", "without ';'"),
        ("stars -- good ones", "holds a comment"),
        ("stars, views", "isn't one expression"),
        ("stars FROM other", "isn't one expression"),
        ("stars LIMIT 1", "isn't one expression"),
        ("DISTINCT stars", "isn't one expression"),
        ("stars UNION SELECT 1", "isn't one expression"),
        ("(SELECT 1)", "has a subquery"),
        ("stars IN (SELECT 1)", "has a subquery"),
        ("EXISTS (SELECT 1)", "has a subquery"),
        ("sum(stars)", "has the aggregate sum()"),
        ("median(stars)", "has the aggregate median()"),
        ("count(*)", "has the aggregate count()"),
        ("row_number() OVER ()", "has a window function"),
        ("unnest([1])", "makes several rows"),
        ("stars AS s", "has AS"),
        ("*", "has '*'"),
        ("stars > ?", "has a parameter"),
        ("#1", "name the column instead of its position"),
        ("(" * 2000 + "stars" + ")" * 2000, "nested too deep"),
        ("COLUMNS('s.*')", "COLUMNS()"),
        ("genres.upper()", "a dot before a function"),
        ("ratings.stars", "without a table name"),
        ("starz > 4", "unknown column 'starz'; did you mean 'stars'?"),
        ("lenght(genres)", "no function named 'lenght'; did you mean 'length'?"),
        ("quux_zzz(genres)", "no function named 'quux_zzz'; use one of"),
        ("now()", "depends on when or where"),
        ("random()", "depends on when or where"),
        ("uuid()", "depends on when or where"),
        ("current_timestamp", "depends on when or where"),
        ("date_diff('day', day, current_date)", "depends on when or where"),
        ("age(rated_at)", "depends on when or where"),
        ("current_setting('TimeZone')", "depends on when or where"),
        ("read_text('/etc/hostname')", "reads a table"),
        ("stars >= 'four'", "Could not convert string 'four' to DOUBLE"),
        ("stars IN ('four')", "Could not convert"),
        ("day = 'soon'", "invalid date"),
        ("date_trunc('dya', rated_at)", "dya"),
        ("regexp_matches(genres, '(')", "missing )"),
        ("genres + 1", "'+' doesn't take (VARCHAR, INTEGER_LITERAL)"),
        ("contains(views, 'x')", "'contains' doesn't take (BIGINT, STRING_LITERAL)"),
        ("genres >= 4", "Cannot compare"),
        ("genres = views", "compares the text genres with the number views"),
        ("genres IN (1, 2)", "compares the text genres with the number 1"),
        ("stars BETWEEN genres AND 5", "an explicit cast is required"),
        ("genres AND liked", "genres is VARCHAR, not a condition"),
        ("NOT views", "views is BIGINT, not a condition"),
        ("rated_at - rated_at", "is INTERVAL, which isn't a column type; take its seconds"),
        ("hash(views)", "is UBIGINT"),
        ("NULL", "cast it"),
        ("[views]", "is BIGINT[]"),
        ("{'a': views}", "STRUCT"),
    ],
)
def test_what_cannot_be_one_stable_value_of_one_row_is_refused(binder, text, words):
    found = check_expression(text, SCHEMA, binder)
    assert found.dtype == ""
    assert words in "\n".join(found.faults)


def test_every_unknown_column_is_reported(binder):
    assert len(check_expression("starz > 1 AND viewz > 2", SCHEMA, binder).faults) == 2


def test_columns_are_spelled_as_in_the_schema(binder):
    assert check_expression("STARS > 4 AND Genres = 'x'", SCHEMA, binder).columns == {"stars", "genres"}
    assert columns_of("STARS > 4", SCHEMA) == {"stars"}
    assert columns_of("STARS > 4") == {"STARS"}
    assert columns_of("list_filter([1], lambda x: x > views)") == {"views"}


def test_columns_named_like_sql_words_can_be_quoted(binder):
    found = check_expression('"order" + "end"', {"order": "int64", "end": "int64"}, binder)
    assert (found.faults, found.dtype) == ((), "int64")


def test_columns_of_text_that_is_not_sql_raises():
    with pytest.raises(InvalidInputError, match="isn't valid SQL"):
        columns_of("stars >")


def test_expressions_cannot_reach_files(binder):
    assert "reads a table" in check_expression("read_csv('/etc/passwd')", SCHEMA, binder).faults[0]


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("CAST((x) AS DOUBLE)", False),
        ("CAST((n) AS DOUBLE)", False),
        ("CAST((s) AS VARCHAR)", False),
        ("COALESCE((x >= 4.5 AND NOT (n < 3)), FALSE)", True),
        ("COALESCE((x >= 4.5 OR x IS NULL), FALSE)", False),
        ("COALESCE((n >= 4 AND x < 3), FALSE)", False),
        ("CAST((n) AS INTEGER)", True),
        ("CAST((s) AS BIGINT)", True),
        ("CAST((n + 1) AS BIGINT)", True),
        ("COALESCE((s = 4), FALSE)", True),
        ("COALESCE((n = '4'), FALSE)", True),
        ("COALESCE((10 // n > 1), FALSE)", True),
        ("COALESCE((sqrt(x) > 1), FALSE)", True),
        ("COALESCE((n > 4.5), FALSE)", True),
    ],
)
def test_only_columns_and_comparisons_of_numbers_are_sure_not_to_fail(text, fails):
    assert may_fail(text, {"x": "float64", "n": "int64", "s": "string"}) is fails
