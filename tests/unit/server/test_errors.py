"""Each error has a status of its own, and a client is told what to do, never a traceback."""

from __future__ import annotations

import json

import pytest

from headrace import errors
from headrace.errors import DefinitionError, HeadraceError, StorageError
from headrace.server.errors import STATUSES, HttpError, problem, status_of


def made(kind):
    return kind(["a fault"]) if kind is DefinitionError else kind("what was wrong")


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name[0].isupper() and name != "HeadraceError"])
def test_every_error_of_ours_is_in_the_table(name):
    assert status_of(made(getattr(errors, name)))[0] != 500


def test_every_error_of_the_server_is_in_the_table():
    assert [kind for kind in HttpError.__subclasses__() if kind not in {row[0] for row in STATUSES}] == []


def test_a_problem_says_what_to_do_and_names_the_request():
    status, body = problem(StorageError("Redis is down; start it"), "r-1")
    assert status == 503
    assert json.loads(body) == {
        "type": "urn:headrace:error:StorageError",
        "title": "A store can't be used",
        "status": 503,
        "detail": "Redis is down; start it",
        "request_id": "r-1",
    }


def test_every_fault_of_definitions_is_told():
    _, body = problem(DefinitionError(["one", "two"]), "r-1")
    assert json.loads(body)["faults"] == ["one", "two"]


def test_an_error_that_is_not_ours_keeps_its_text_to_the_log():
    status, body = problem(RuntimeError("password=secret"), "r-1")
    assert status == 500
    assert b"secret" not in body
    assert json.loads(body)["type"] == "urn:headrace:error:UnexpectedError"


def test_an_error_that_nobody_put_in_the_table_is_ours_to_mend():
    assert status_of(HeadraceError("new"))[0] == 500
