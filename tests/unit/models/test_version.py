"""Names and addresses of models."""

from __future__ import annotations

import pytest

from headrace.errors import InvalidInputError
from headrace.models.version import Address, check_alias, check_name, check_tags, parse_uri


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("models:/ranker/3", Address("ranker", "3")),
        ("models:/ranker@champion", Address("ranker", "@champion")),
        ("models:/ranker/Production", Address("ranker", "Production")),
        ("models:/ranker/latest", Address("ranker", "latest")),
        ("models:/m-0123", Address("", "", "m-0123")),
        ("models:/m-0123/2", Address("m-0123", "2")),
        ("models:/a@b@blue", Address("a@b", "@blue")),
    ],
)
def test_every_form_of_address_is_read(uri, address):
    assert parse_uri(uri) == address


@pytest.mark.parametrize(
    "uri", ["", "ranker", "models:/", "models:/ranker", "models:/ranker/1/2", "runs:/1/model", "models:/@blue"]
)
def test_other_text_is_refused_with_the_forms_there_are(uri):
    with pytest.raises(InvalidInputError, match="models:/NAME@ALIAS"):
        parse_uri(uri)


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a:b", "..", " a", "a\nb", "x" * 257])
def test_a_name_that_would_break_an_address_is_refused(name):
    with pytest.raises(InvalidInputError, match="can't name a model"):
        check_name(name)


@pytest.mark.parametrize("name", ["video-ranker", "Modèle 7", "a.b", "模型"])
def test_other_names_are_fine(name):
    check_name(name)


@pytest.mark.parametrize("alias", ["", "a b", "a/b", "latest", "Latest", "v3", "V12", "x" * 256])
def test_an_alias_that_means_something_else_is_refused(alias):
    with pytest.raises(InvalidInputError, match="can't be an alias"):
        check_alias(alias)


def test_tags_are_text_with_a_key():
    assert check_tags({"n": 3}) == {"n": "3"}
    with pytest.raises(InvalidInputError, match="a key has"):
        check_tags({"": "x"})
