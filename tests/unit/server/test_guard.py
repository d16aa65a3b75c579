"""No web page of another site reaches the server, under whatever name."""

from __future__ import annotations

import pytest

from headrace.server.errors import ForbiddenError, WrongHostError
from headrace.server.guard import Guard


@pytest.mark.parametrize("host", ["localhost:5000", "127.0.0.1:5000", "[::1]:5000", "localhost", "LOCALHOST:80"])
def test_on_loopback_it_answers_to_the_names_of_this_machine(host):
    Guard("127.0.0.1").check({"host": host})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:5000",
        "127.0.0.1.evil.example",
        "",
        "[",
        "localhost@evil.example",
        "evil.example@localhost:5000",
        "localhost/evil.example",
        "localhost?evil.example",
        "localhost:port",
    ],
)
def test_on_loopback_no_other_name_is_answered(host):
    with pytest.raises(WrongHostError, match="--allow-host"):
        Guard("127.0.0.1").check({"host": host})


def test_a_name_can_be_allowed():
    guard = Guard("127.0.0.1", ["features.lan"])
    guard.check({"host": "features.lan:5000"})
    with pytest.raises(WrongHostError):
        guard.check({"host": "other.lan"})
    Guard("127.0.0.1", ["*"]).check({"host": "evil.example"})


def test_a_public_server_has_any_name():
    Guard("0.0.0.0").check({"host": "features.example:5000"})


@pytest.mark.parametrize("host", ["features.example:5000", "10.0.0.8.evil.example", "evil.example.", "box.lan"])
def test_a_public_server_without_users_has_no_name_that_a_stranger_could_give_it(host):
    with pytest.raises(WrongHostError, match="add users"):
        Guard("0.0.0.0").check({"host": host}, is_open=True)
    Guard("0.0.0.0", ["*"]).check({"host": host}, is_open=True)
    Guard("0.0.0.0", ["features.example", "10.0.0.8.evil.example", "evil.example.", "box.lan"]).check(
        {"host": host}, is_open=True
    )


@pytest.mark.parametrize("host", ["10.0.0.8:5000", "[fd00::8]:5000", "headrace:5000", "localhost"])
def test_a_public_server_without_users_has_its_address_and_short_names(host):
    Guard("0.0.0.0").check({"host": host}, is_open=True)


def test_a_page_may_call_the_server_that_it_came_from_alone():
    for guard in Guard("127.0.0.1"), Guard("0.0.0.0"):
        guard.check({"host": "localhost:5000", "origin": "http://localhost:5000"})
        for origin in "http://evil.example", "null", "", "http://[", "http://localhost:8080", "http://a@localhost:5000":
            with pytest.raises(ForbiddenError, match="may not call"):
                guard.check({"host": "localhost:5000", "origin": origin})


def test_many_hosts_are_not_remembered_for_ever():
    guard = Guard("127.0.0.1", ["*.lan"])
    for port in range(1000):
        guard.check({"host": f"localhost:{port}"})
    assert len(guard._good) <= 100
