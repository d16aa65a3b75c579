"""Webhooks: what is told, how it is signed and repeated, and where nothing is ever sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace

import pytest

from headrace.errors import InvalidInputError, NotFoundError
from headrace.models.audit import AuditEntry
from headrace.sql.audit import SqlAuditStore
from headrace.sql.database import Database
from headrace.sql.webhooks import SqlWebhookStore
from headrace.webhooks import sending
from headrace.webhooks.events import events_of
from headrace.webhooks.service import Webhooks
from headrace.webhooks.webhook import PAUSES
from servers.hooks import receiver

PROMOTE = AuditEntry(
    action="promote",
    version=2,
    before={"stages": {"2": "None"}, "aliases": {"champion": None}},
    after={"stages": {"2": "Production"}, "aliases": {"champion": 2}},
    user="ada",
    time=7,
)


class Clock:
    now = 1_000_000_000

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def database(catalog_url):
    database = Database(catalog_url)
    yield database
    database.close()


@pytest.fixture
def webhooks(database, clock):
    return Webhooks(SqlWebhookStore(database), clock, "ada", ["127.0.0.1"])


@pytest.fixture
def record(database):
    return lambda entry=PROMOTE: SqlAuditStore(database).record("ranker", entry)


@pytest.fixture
def hooks():
    with receiver() as hooks:
        yield hooks


def test_what_happens_is_told_once_and_signed(webhooks, record, hooks):
    webhooks.create(hooks.url, ["model_version.promoted"], secret="s3cret")
    record()
    assert webhooks.deliver() == 1
    assert webhooks.deliver() == 0
    ((headers, body),) = hooks.got
    told = json.loads(body)
    assert (told["event"], told["data"]["model"], told["data"]["version"]) == ("model_version.promoted", "ranker", 2)
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(b"s3cret", signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    (delivery,) = webhooks.deliveries()
    assert (delivery.status, delivery.code, delivery.answer, delivery.attempts) == ("done", 200, "ok", 1)


def test_a_secret_of_standard_webhooks_is_a_key_in_base64(webhooks, hooks):
    """Their libraries take what follows `whsec_` for the key."""
    key = bytes(range(24))
    made = webhooks.create(hooks.url, secret=f"whsec_{base64.b64encode(key).decode()}")
    webhooks.test(made.id)
    ((headers, body),) = hooks.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
    for change in (
        lambda: webhooks.create(hooks.url, secret="whsec_not base64"),
        lambda: webhooks.change(made.id, secret="whsec_ä"),
    ):
        with pytest.raises(InvalidInputError, match="a secret that begins with whsec_ goes on in base64"):
            change()


def test_only_wanted_events_of_wanted_models_are_told(webhooks, record, hooks):
    webhooks.create(hooks.url, ["model_version.created"])
    webhooks.create(hooks.url, model="other")
    off = webhooks.create(hooks.url)
    webhooks.change(off.id, active=False)
    record()
    assert webhooks.deliver() == 0
    webhooks.change(off.id, active=True)
    record()
    assert {d.event for d in webhooks.deliveries()} == {
        "model_version.promoted",
        "model_version.stage_changed",
        "model_version_alias.created",
    }


def test_a_receiver_that_is_down_is_tried_again_later_and_later_then_no_more(webhooks, record, hooks, clock):
    webhooks.create(hooks.url, ["model_version.promoted"])
    record()
    hooks.status = 500
    for attempt, pause in enumerate([*PAUSES, None], start=1):
        assert webhooks.deliver() == 1
        (delivery,) = webhooks.deliveries()
        assert (delivery.attempts, delivery.code) == (attempt, 500)
        if pause is not None:
            assert pause <= (delivery.due - clock.now) / 1e6 <= 1.2 * pause
            clock.now = delivery.due - 1
            assert webhooks.deliver() == 0
            clock.now += 1
    assert delivery.status == "failed"
    clock.now += 10**12
    assert webhooks.deliver() == 0
    hooks.status = 204
    webhooks.replay(delivery.id)
    assert webhooks.deliver() == 1
    assert webhooks.deliveries()[0].status == "done"
    assert len({headers["webhook-id"] for headers, _ in hooks.got}) == 1


def test_a_receiver_that_wants_no_more_is_left_alone(webhooks, record, hooks):
    webhooks.create(hooks.url, ["model_version.promoted"])
    record()
    hooks.status = 410
    webhooks.deliver()
    assert webhooks.deliveries()[0].status == "failed"


def test_a_receiver_that_is_slow_is_given_up_and_tried_again(webhooks, record, hooks, monkeypatch):
    monkeypatch.setattr(sending, "SECONDS", 0.2)
    webhooks.create(hooks.url, ["model_version.promoted"])
    record()
    hooks.held.clear()
    webhooks.deliver()
    (delivery,) = webhooks.deliveries()
    assert (delivery.status, delivery.code) == ("waiting", None)
    assert "Timeout" in delivery.answer
    hooks.held.set()


def test_nobody_there(webhooks, record):
    webhooks.create("http://127.0.0.1:9/hook", ["model_version.promoted"])
    record()
    webhooks.deliver()
    assert "Connect" in webhooks.deliveries()[0].answer


def test_a_redirect_is_not_followed(webhooks, record, hooks):
    with receiver() as inside:
        hooks.status, hooks.location = 307, inside.url
        webhooks.create(hooks.url, ["model_version.promoted"])
        record()
        webhooks.deliver()
        assert (webhooks.deliveries()[0].code, inside.got) == (307, [])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.0.0.8",
        "192.168.1.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[fec0::1]",
        "0.0.0.0",
        "[fd00::1]",
    ],
)
def test_nothing_is_sent_to_a_private_address(database, clock, host):
    webhooks = Webhooks(SqlWebhookStore(database), clock, "ada")
    made = webhooks.create(f"https://{host}:8443/hook")
    sent = webhooks.test(made.id)
    assert (sent.status, sent.code) == ("failed", None)
    assert "no public address" in sent.answer


def test_a_name_that_leads_to_a_private_address_is_refused_whatever_else_it_leads_to(webhooks, monkeypatch):
    found = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", ("10.0.0.8", 443))]
    monkeypatch.setattr(sending.socket, "getaddrinfo", lambda *_, **__: found)
    made = webhooks.create("https://sneaky.example.com/hook")
    assert "10.0.0.8" in webhooks.test(made.id).answer


@pytest.mark.parametrize(
    "url", ["http://ci.example.com/x", "ftp://x/y", "https://", "https://u:p@x/y", "nonsense", "https://x:0/", "https://x/\n"]
)
def test_addresses_that_can_be_none(webhooks, url):
    with pytest.raises(InvalidInputError, match="webhook's address"):
        webhooks.create(url)
    assert webhooks.list() == []


def test_events_that_are_none(webhooks):
    for events, message in ((["model.promoted"], "no event named"), ([], "without events")):
        with pytest.raises(InvalidInputError, match=message):
            webhooks.create("https://ci.example.com/x", events)


def test_two_senders_take_different_deliveries(webhooks, record, hooks, database, clock):
    webhooks.create(hooks.url, ["model_version.promoted"])
    for _ in range(4):
        record()
    store = SqlWebhookStore(database)
    first, second = (store.claim(clock.now, clock.now + 1_000_000, 3) for _ in range(2))
    assert (len(first), len(second)) == (3, 1)
    assert not {d.id for d in first} & {d.id for d in second}
    clock.now += 1_000_000  # whoever took them died: they are due again
    assert webhooks.deliver() == 4


def test_what_is_not_written_is_not_told(webhooks, database, hooks):
    webhooks.create(hooks.url)
    store = SqlAuditStore(database)
    with pytest.raises(TypeError):
        store.record("ranker", AuditEntry(action="promote", version=2, after={"x": object()}))
    assert webhooks.deliveries() == []
    assert store.history("ranker") == []


def test_a_test_is_sent_at_once_and_not_again(webhooks, hooks, clock):
    made = webhooks.create(hooks.url, ["model_version.promoted"])
    hooks.status = 500
    assert webhooks.test(made.id).status == "failed"
    clock.now += 10**12
    assert webhooks.deliver() == 0
    assert json.loads(hooks.got[0][1])["event"] == "ping"


def test_a_secret_is_shown_to_nobody_and_removal_forgets_all(webhooks, record, hooks):
    made = webhooks.create(hooks.url, secret="s3cret")
    record()
    assert "s3cret" not in f"{made}{made.to_dict()}"
    webhooks.remove(made.id)
    assert webhooks.deliveries() == []
    for step in (webhooks.get, webhooks.remove, webhooks.test, webhooks.replay):
        with pytest.raises(NotFoundError):
            step(made.id)


def test_events_of_entries():
    def told(action, **more):
        return events_of(AuditEntry(action=action, seq=2, **more))

    assert told("register", version=1) == ["model_version.created"]
    assert told("tag", version=1, after={"tags": {"a": None}}) == ["model_version_tag.deleted"]
    assert told("alias", after={"aliases": {"blue": 3}}) == ["model_version_alias.created"]
    assert told("tag", version=1, after={"tags": {"a": "1"}}) == ["model_version_tag.set"]
    assert told("tag", after={"tags": {"a": "1"}}) == ["registered_model.updated"]
    assert told("describe") == ["registered_model.updated"]
    assert told("request", version=1) == ["transition_request.opened"]


def test_in_mlflows_style_each_alias_is_an_event_and_others_are_none(webhooks, record, hooks):
    webhooks.create(hooks.url, style="mlflow", secret="s3cret")
    record(replace(PROMOTE, after={**PROMOTE.after, "aliases": {"champion": 2, "challenger": None, "blue": 2}}))
    assert webhooks.deliver() == 3
    told = sorted((json.loads(body)["action"], json.loads(body)["data"]["alias"]) for _, body in hooks.got)
    assert told == [("created", "blue"), ("created", "champion"), ("deleted", "challenger")]
    with pytest.raises(InvalidInputError, match="have no event"):
        webhooks.create(hooks.url, ["model_version.promoted"], style="mlflow")
    with pytest.raises(InvalidInputError, match="style must be one of 'headrace', 'mlflow'"):
        webhooks.create(hooks.url, style="slack")
