"""Requests as people type them."""

from __future__ import annotations

import pytest

from headrace.cli.request import parse_request
from headrace.errors import InvalidInputError

KEYS = {"user_id": "int64", "country": "string"}


def test_values_have_the_types_of_the_keys():
    assert parse_request(["user_id=7", "country=1"], KEYS, []) == {"user_id": 7, "country": "1"}


def test_commas_make_lists_and_quotes_keep_them():
    asked = parse_request(["user_id=1,2,3", 'country="a,b"'], KEYS, [])
    assert asked == {"user_id": [1, 2, 3], "country": "a,b"}


def test_an_empty_value_is_null():
    assert parse_request(["user_id=", "country=x"], KEYS, []) == {"user_id": None, "country": "x"}


def test_request_inputs_are_what_they_look_like():
    asked = parse_request(["amount=120", "text=hello", "flag=true"], {}, ["amount", "text", "flag"])
    assert asked == {"amount": 120, "text": "hello", "flag": True}


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["7"], "isn't KEY=VALUE"),
        (["user=7", "country=x"], "did you mean 'user_id'"),
        (["user_id=seven", "country=x"], "that isn't int64"),
        (["user_id=7"], "lacks country"),
    ],
)
def test_a_mistake_in_a_request_says_what_to_write(pairs, said):
    with pytest.raises(InvalidInputError) as caught:
        parse_request(pairs, KEYS, [])
    assert said in str(caught.value)
