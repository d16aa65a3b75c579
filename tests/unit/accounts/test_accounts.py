"""Users, tokens, roles: who a header shows, and what they may do."""

from __future__ import annotations

import base64
from itertools import pairwise

import pytest

from headrace.accounts import door as door_module
from headrace.accounts import passwords
from headrace.accounts.account import Account
from headrace.accounts.door import Door
from headrace.accounts.roles import PERMISSIONS, ROLES, allows
from headrace.accounts.service import Accounts
from headrace.accounts.throttle import FREE, Throttle
from headrace.errors import (
    AccessError,
    AlreadyExistsError,
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    TooManyAttemptsError,
    UnauthenticatedError,
)
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


class Ticks:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def kept(catalog_url):
    database = Database(catalog_url)
    yield SqlAccountStore(database)
    database.close()


@pytest.fixture
def door(kept, clock, ticks):
    return Door(kept, clock, Throttle(ticks))


@pytest.fixture
def accounts(kept, door, clock, monkeypatch):
    monkeypatch.setattr(door_module, "KNOWN_SECONDS", 0.0)
    monkeypatch.setattr(passwords, "_COST", 2**6)  # slow is what it is for, not what is tested here
    accounts = Accounts(kept, clock, "here", door)
    accounts.add_user("ada", "admin", "correct horse")
    return accounts


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_each_role_may_do_what_those_before_it_may_and_more():
    held = [{permission for permission in PERMISSIONS if allows(role, permission)} for role in ROLES]
    assert all(few < more for few, more in pairwise(held))
    assert held[-1] == set(PERMISSIONS)
    assert "models:promote" not in held[1]


def test_an_unknown_permission_is_an_admins_alone():
    assert [allows(role, "rockets:launch") for role in ROLES] == [False, False, False, True]


def test_without_users_nobody_is_asked(door):
    assert not door.exist


def test_the_first_user_is_an_admin_and_the_last_admin_stays(kept, door, clock):
    accounts = Accounts(kept, clock, "here", door)
    with pytest.raises(InvalidInputError, match="first user must be an admin"):
        accounts.add_user("eve", "editor")
    accounts.add_user("ada", "admin")
    assert door.exist
    for change in ({"role": "viewer"}, {"active": False}):
        with pytest.raises(ConflictError, match="last active admin"):
            accounts.change_user("ada", **change)
    assert accounts.user("ada").role == "admin"


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


def test_a_token_opens_as_its_user_and_its_secret_is_not_kept(accounts, door, clock):
    token, secret = accounts.create_token("ada", "laptop")
    account = door.authenticate(f"Bearer {secret}")
    assert (account.name, account.role, account.token) == ("ada", "admin", token.id)
    (kept,) = accounts.tokens("ada")
    assert secret not in str(kept)
    assert kept.used == clock.now
    assert door.authenticate(basic("ada", secret)).name == "ada"
    assert door.authenticate(basic("token", secret)).name == "ada"


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
def test_what_shows_nobody_is_refused(accounts, door, header):
    with pytest.raises(UnauthenticatedError):
        door.authenticate(header)


def test_a_changed_expired_or_revoked_token_opens_nothing(accounts, door, clock):
    token, secret = accounts.create_token("ada", days=1)
    with pytest.raises(UnauthenticatedError, match="isn't one of this server's"):
        door.authenticate(f"Bearer {secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}")
    door.authenticate(f"Bearer {secret}")
    clock.now += DAY
    with pytest.raises(UnauthenticatedError, match="has expired"):
        door.authenticate(f"Bearer {secret}")
    clock.now -= DAY
    accounts.revoke(token.id)
    with pytest.raises(UnauthenticatedError, match="was revoked"):
        door.authenticate(f"Bearer {secret}")


def test_a_token_is_no_key_to_another_users_name(accounts, door):
    accounts.add_user("bob")
    _, secret = accounts.create_token("bob")
    with pytest.raises(UnauthenticatedError, match="isn't right"):
        door.authenticate(basic("ada", secret))


def test_passwords(accounts, door):
    assert door.authenticate(basic("ada", "correct horse")).name == "ada"
    for user, password in (("ada", "wrong horse"), ("ada", ""), ("nobody", "correct horse")):
        with pytest.raises(UnauthenticatedError, match="isn't right"):
            door.authenticate(basic(user, password))
    accounts.change_user("ada", password="another horse")
    with pytest.raises(UnauthenticatedError):
        door.authenticate(basic("ada", "correct horse"))
    assert door.authenticate(basic("ada", "another horse")).name == "ada"
    accounts.add_user("bob")
    with pytest.raises(UnauthenticatedError):
        door.authenticate(basic("bob", ""))


def test_an_inactive_user_is_let_in_no_more(accounts, door):
    accounts.add_user("bob", "editor", "battery staple")
    _, secret = accounts.create_token("bob")
    accounts.change_user("bob", active=False)
    for header in (f"Bearer {secret}", basic("bob", "battery staple")):
        with pytest.raises(UnauthenticatedError):
            door.authenticate(header)


def test_scopes_limit_a_token_and_never_widen_its_user():
    viewer_with_all = Account("eve", "viewer", ("admin",))
    assert viewer_with_all.may("runs:read")
    assert not viewer_with_all.may("runs:write")
    admin_with_little = Account("ada", "admin", ("runs:write", "viewer"))
    assert [admin_with_little.may(p) for p in ("runs:write", "models:read", "models:write")] == [True, True, False]
    with pytest.raises(AccessError, match=r"ada \(admin\) may not.*'models:write'.*limited to runs:write, viewer"):
        admin_with_little.require("models:write")


def test_what_was_shown_a_moment_ago_is_known_and_a_revocation_forgets_it(kept, door, clock):
    accounts = Accounts(kept, clock, "here", door)
    accounts.add_user("ada", "admin")
    token, secret = accounts.create_token("ada")
    assert door.known(f"Bearer {secret}") is None
    door.authenticate(f"Bearer {secret}")
    assert door.known(f"Bearer {secret}").name == "ada"
    accounts.revoke(token.id)
    assert door.known(f"Bearer {secret}") is None


def test_what_was_shown_from_one_address_is_not_known_of_another(kept, door, clock, monkeypatch):
    monkeypatch.setattr(passwords, "_COST", 2**6)
    Accounts(kept, clock, "here", door).add_user("ada", "admin", "correct horse")
    header = basic("ada", "correct horse")
    door.authenticate(header, "10.0.0.1")
    assert door.known(header, "10.0.0.1").name == "ada"
    assert door.known(header, "10.0.0.2") is None


def test_who_guesses_is_slowed_down_and_nobody_else(accounts, door, ticks):
    def guess(password, user="ada", address="10.0.0.9"):
        return door.authenticate(basic(user, password), address)

    for number in range(FREE):
        with pytest.raises(UnauthenticatedError, match="isn't right"):
            guess(f"guess {number}")
    for password in ("another guess", "correct horse"):  # not even the right one is looked at
        with pytest.raises(TooManyAttemptsError, match="try again in 1 s") as refused:
            guess(password)
        assert refused.value.retry_after == 1
    assert guess("correct horse", address="10.0.0.1").name == "ada"
    with pytest.raises(UnauthenticatedError, match="isn't right"):
        guess("x", user="bob")
    waits = []
    for _ in range(12):
        ticks.now += waits[-1] if waits else 1.0
        with pytest.raises(UnauthenticatedError, match="isn't right"):
            guess("wrong again")
        with pytest.raises(TooManyAttemptsError) as refused:
            guess("correct horse")
        waits.append(refused.value.retry_after)
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    ticks.now += waits[-1]
    assert guess("correct horse").name == "ada"
    with pytest.raises(UnauthenticatedError, match="isn't right"):
        guess("mistyped")  # the right one was known: the count begins anew
    assert guess("correct horse").name == "ada"


def test_an_unknown_user_is_slowed_down_as_a_known_one(accounts, door):
    told = []
    for user in ("ada", "nobody"):
        for _ in range(FREE + 1):
            with pytest.raises(UnauthenticatedError) as refused:
                door.authenticate(basic(user, "a guess at it"), "10.0.0.9")
            told.append((type(refused.value), str(refused.value)))
    assert told[: FREE + 1] == told[FREE + 1 :]


def test_guessing_side_by_side_gains_nothing(accounts, door):
    from concurrent.futures import ThreadPoolExecutor

    def guess(number):
        try:
            door.authenticate(basic("ada", f"guess {number}"), "10.0.0.9")
        except UnauthenticatedError as error:
            return type(error)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(guess, range(40)))
    assert found.count(UnauthenticatedError) == FREE
    assert found.count(TooManyAttemptsError) == 40 - FREE


def test_a_throttle_keeps_no_more_than_it_must():
    from headrace.accounts import throttle as module

    ticks = Ticks()
    throttle = Throttle(ticks)
    for _ in range(FREE):
        throttle.missed(("ada", "a"))
    for number in range(module.MOST + 10):
        throttle.missed(("somebody", str(number)))
    assert throttle.wait(("ada", "a")) > 0
    assert len(throttle._misses) <= module.MOST
    ticks.now += module.FORGET_SECONDS + 1
    assert throttle.missed(("ada", "a")) == 0.0


def test_what_is_done_to_accounts_is_kept_without_secrets(accounts, door):
    accounts.add_user("bob", "viewer")
    accounts.change_user("bob", role="editor", password="battery staple")
    accounts.change_password("bob", "battery staple", "another staple")
    token, secret = accounts.create_token("bob", "ci", ["viewer"])
    accounts.revoke(token.id)
    for _ in range(FREE):
        with pytest.raises(UnauthenticatedError):
            door.authenticate(basic("bob", "wrong"), "10.0.0.9")
    acts = accounts.history()
    assert [(act.user, act.action) for act in reversed(acts)] == [
        ("here", "add user"),
        ("here", "add user"),
        ("here", "change user"),
        ("here", "change password"),
        ("here", "create token"),
        ("here", "revoke token"),
        ("bob", "slow down"),
    ]
    assert (acts[4].before, acts[4].after) == (
        {"account": "bob", "role": "viewer"},
        {"account": "bob", "role": "editor", "password": "another"},
    )
    assert acts[0].after == {"account": "bob", "address": "10.0.0.9", "seconds": 1.0}
    told = str([act.to_dict() for act in acts])
    for hidden in (secret, token.digest, "staple", "scrypt"):
        assert hidden not in told
    assert [act.action for act in accounts.history(2)] == ["slow down", "revoke token"]


def test_an_account_does_what_it_may_and_a_changed_password_needs_the_present_one(accounts, door):
    accounts.add_user("bob", "editor", "battery staple")
    bob = accounts.by(Account("bob", "editor"))
    assert bob.user("bob").name == "bob"
    for step in (
        bob.users,
        bob.history,
        lambda: bob.user("ada"),
        lambda: bob.add_user("eve"),
        lambda: bob.change_user("bob", role="admin"),
        lambda: bob.create_token("ada"),
        lambda: bob.tokens("ada"),
        lambda: bob.change_password("ada", "correct horse", "stolen horse"),
        lambda: accounts.by(Account("bob", "editor", ("viewer",))).create_token(),
        lambda: accounts.by(Account("bob", "editor", ("viewer",))).change_password("bob", "battery staple", "another one"),
        lambda: bob.change_password("bob", "wrong", "another one"),
        lambda: bob.revoke("none"),
    ):
        with pytest.raises(AccessError):
            step()
    token, _ = bob.create_token(label="mine")
    assert [each.id for each in bob.tokens()] == [token.id]
    bob.revoke(token.id)
    assert bob.change_password("bob", "battery staple", "another one").name == "bob"
    assert door.authenticate(basic("bob", "another one")).name == "bob"
    with pytest.raises(InvalidInputError, match="at least 8"):
        bob.change_password("bob", "another one", "")
    for _ in range(FREE):
        with pytest.raises(AccessError, match="present password"):
            bob.change_password("bob", "a guess", "yet another one")
    with pytest.raises(TooManyAttemptsError):
        bob.change_password("bob", "another one", "yet another one")


def test_another_password_ends_the_sessions_of_its_user_whoever_sets_it(accounts, door):
    accounts.add_user("bob", "editor", "battery staple")
    bob = accounts.by(Account("bob", "editor"))
    stolen, (_, made) = bob.sign_in(), bob.create_token(label="ci")
    accounts.change_user("bob", role="viewer")
    assert door.authenticate(f"Bearer {stolen}").name == "bob"
    accounts.by(Account("ada", "admin")).change_user("bob", password="another staple")
    with pytest.raises(UnauthenticatedError, match="was revoked"):
        door.authenticate(f"Bearer {stolen}")
    assert door.authenticate(f"Bearer {made}").name == "bob"


def test_what_was_changed_in_the_trail_of_accounts_shows(accounts, catalog_url):
    import sqlalchemy as sa

    accounts.add_user("bob", "viewer")
    assert len(accounts.history()) == 2
    engine = sa.create_engine(catalog_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            named = sa.text("select name from sqlite_master where type = 'trigger'")
            for (trigger,) in connection.execute(named).fetchall():
                connection.execute(sa.text(f"drop trigger {trigger}"))
        else:
            connection.execute(sa.text("alter table audit disable trigger user"))
        connection.execute(sa.text("update audit set \"user\" = 'eve' where subject = 'server:accounts' and seq = 1"))
    engine.dispose()
    with pytest.raises(IntegrityError, match="server:accounts"):
        accounts.history()
