"""Users, tokens, roles: who a header shows, and what they may do."""

from __future__ import annotations

import base64
from itertools import pairwise

import pytest

from headrace.accounts import passwords
from headrace.accounts import service as service_module
from headrace.accounts.account import Account
from headrace.accounts.roles import PERMISSIONS, ROLES, allows
from headrace.accounts.service import Accounts
from headrace.errors import AccessError, AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError, UnauthenticatedError
from headrace.sql.accounts import SqlAccountStore
from headrace.sql.database import Database

DAY = 86_400_000_000


class Clock:
    now = 1_000_000

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def accounts(catalog_url, clock, monkeypatch):
    monkeypatch.setattr(service_module, "KNOWN_SECONDS", 0.0)
    monkeypatch.setattr(passwords, "_COST", 2**6)  # slow is what it is for, not what is tested here
    database = Database(catalog_url)
    accounts = Accounts(SqlAccountStore(database), clock)
    accounts.add_user("ada", "admin", "correct horse")
    yield accounts
    database.close()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_each_role_may_do_what_those_before_it_may_and_more():
    held = [{permission for permission in PERMISSIONS if allows(role, permission)} for role in ROLES]
    assert all(few < more for few, more in pairwise(held))
    assert held[-1] == set(PERMISSIONS)
    assert "models:promote" not in held[1]


def test_an_unknown_permission_is_an_admins_alone():
    assert [allows(role, "rockets:launch") for role in ROLES] == [False, False, False, True]


def test_without_users_nobody_is_asked(catalog_url, clock):
    database = Database(catalog_url)
    assert not Accounts(SqlAccountStore(database), clock).exist
    database.close()


def test_the_first_user_is_an_admin_and_the_last_admin_stays(catalog_url, clock):
    database = Database(catalog_url)
    accounts = Accounts(SqlAccountStore(database), clock)
    with pytest.raises(InvalidInputError, match="first user must be an admin"):
        accounts.add_user("eve", "editor")
    accounts.add_user("ada", "admin")
    assert accounts.exist
    for change in ({"role": "viewer"}, {"active": False}):
        with pytest.raises(ConflictError, match="last active admin"):
            accounts.change_user("ada", **change)
    assert accounts.user("ada").role == "admin"
    database.close()


def test_names_roles_passwords_and_scopes_are_checked(accounts):
    for name in ("", "a b", "a:b", "x" * 129, "a\n"):
        with pytest.raises(InvalidInputError, match="can't name a user"):
            accounts.add_user(name)
    with pytest.raises(InvalidInputError, match="no role named 'boss'"):
        accounts.add_user("bob", "boss")
    with pytest.raises(InvalidInputError, match="at least 8 characters"):
        accounts.add_user("bob", "editor", "short")
    with pytest.raises(AlreadyExistsError):
        accounts.add_user("ada", "admin")
    with pytest.raises(InvalidInputError, match=r"neither a role .* nor a permission"):
        accounts.create_token("ada", scopes=["models:fly"])
    with pytest.raises(InvalidInputError, match="days"):
        accounts.create_token("ada", days=-1)
    with pytest.raises(NotFoundError, match="did you mean 'ada'"):
        accounts.create_token("adda")
    assert [user.name for user in accounts.users()] == ["ada"]
    assert accounts.tokens() == []


def test_a_token_opens_as_its_user_and_its_secret_is_not_kept(accounts, clock):
    token, secret = accounts.create_token("ada", "laptop")
    account = accounts.authenticate(f"Bearer {secret}")
    assert (account.name, account.role, account.token) == ("ada", "admin", token.id)
    (kept,) = accounts.tokens("ada")
    assert secret not in str(kept)
    assert kept.used == clock.now
    assert accounts.authenticate(basic("ada", secret)).name == "ada"
    assert accounts.authenticate(basic("token", secret)).name == "ada"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer hr_",
        "Bearer nonsense",
        "Digest x",
        "Basic !!",
        "Basic " + base64.b64encode(b"\xff:x").decode(),
        "x" * 5000,
    ],
)
def test_what_shows_nobody_is_refused(accounts, header):
    with pytest.raises(UnauthenticatedError):
        accounts.authenticate(header)


def test_a_changed_expired_or_revoked_token_opens_nothing(accounts, clock):
    token, secret = accounts.create_token("ada", days=1)
    with pytest.raises(UnauthenticatedError, match="isn't one of this server's"):
        accounts.authenticate(f"Bearer {secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}")
    accounts.authenticate(f"Bearer {secret}")
    clock.now += DAY
    with pytest.raises(UnauthenticatedError, match="has expired"):
        accounts.authenticate(f"Bearer {secret}")
    clock.now -= DAY
    accounts.revoke(token.id)
    with pytest.raises(UnauthenticatedError, match="was revoked"):
        accounts.authenticate(f"Bearer {secret}")


def test_a_token_is_no_key_to_another_users_name(accounts):
    accounts.add_user("bob")
    _, secret = accounts.create_token("bob")
    with pytest.raises(UnauthenticatedError, match="isn't right"):
        accounts.authenticate(basic("ada", secret))


def test_passwords(accounts):
    assert accounts.authenticate(basic("ada", "correct horse")).name == "ada"
    for user, password in (("ada", "wrong horse"), ("ada", ""), ("nobody", "correct horse")):
        with pytest.raises(UnauthenticatedError, match="isn't right"):
            accounts.authenticate(basic(user, password))
    accounts.change_user("ada", password="another horse")
    with pytest.raises(UnauthenticatedError):
        accounts.authenticate(basic("ada", "correct horse"))
    assert accounts.authenticate(basic("ada", "another horse")).name == "ada"
    accounts.add_user("bob")
    with pytest.raises(UnauthenticatedError):
        accounts.authenticate(basic("bob", ""))


def test_an_inactive_user_is_let_in_no_more(accounts):
    accounts.add_user("bob", "editor", "battery staple")
    _, secret = accounts.create_token("bob")
    accounts.change_user("bob", active=False)
    for header in (f"Bearer {secret}", basic("bob", "battery staple")):
        with pytest.raises(UnauthenticatedError):
            accounts.authenticate(header)


def test_scopes_limit_a_token_and_never_widen_its_user():
    viewer_with_all = Account("eve", "viewer", ("admin",))
    assert viewer_with_all.may("runs:read")
    assert not viewer_with_all.may("runs:write")
    admin_with_little = Account("ada", "admin", ("runs:write", "viewer"))
    assert [admin_with_little.may(p) for p in ("runs:write", "models:read", "models:write")] == [True, True, False]
    with pytest.raises(AccessError, match=r"ada \(admin\) may not.*'models:write'.*limited to runs:write, viewer"):
        admin_with_little.require("models:write")


def test_what_was_shown_a_moment_ago_is_known_and_a_revocation_forgets_it(catalog_url, clock):
    database = Database(catalog_url)
    accounts = Accounts(SqlAccountStore(database), clock)
    accounts.add_user("ada", "admin")
    token, secret = accounts.create_token("ada")
    assert accounts.known(f"Bearer {secret}") is None
    accounts.authenticate(f"Bearer {secret}")
    assert accounts.known(f"Bearer {secret}").name == "ada"
    accounts.revoke(token.id)
    assert accounts.known(f"Bearer {secret}") is None
    database.close()
