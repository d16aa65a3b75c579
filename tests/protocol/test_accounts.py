"""Once there are users, every route wants to know who asks, and lets them do what their role may."""

from __future__ import annotations

import re

import httpx
import pytest

import headrace as hr
from headrace.accounts import passwords
from headrace.errors import AccessError, InvalidInputError, NotFoundError, TooManyAttemptsError, UnauthenticatedError
from headrace.server import admission
from headrace.server.app import ENDPOINTS
from headrace.server.native import live
from servers.inside import served
from waiting import PATIENCE, until

GUARDED = [item for item in ENDPOINTS if item.permission]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a user of each role, its server's address, and their tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    tokens = {}
    with hr.connect(folder) as store:
        for name, role in (("root", "admin"), ("ada", "approver"), ("bob", "editor"), ("eve", "viewer")):
            store.accounts.add_user(name, role)
            tokens[name] = store.accounts.create_token(name)[1]
        tokens["narrow"] = store.accounts.create_token("root", scopes=["runs:read"])[1]
    with served(folder) as url:
        yield url, tokens


@pytest.fixture
def url(project):
    return project[0]


@pytest.fixture
def tokens(project):
    return project[1]


def ask(url, item, token=None, client=httpx):
    path = re.sub(r"\{\w+(\.\.\.)?\}", "x", item.path)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return client.request(item.method, f"{url}{path}", headers=headers, timeout=60)


def test_every_route_has_a_permission_or_is_known_to_be_for_everybody():
    everybody = {item.path for item in ENDPOINTS if not item.permission}
    assert {path for path in everybody if path.startswith("/api/v1")} <= {
        "/api/v1/store",
        "/api/v1/accounts/me",
        "/api/v1/session",
    }
    signed = {"/api/2.0/mlflow-artifacts/mpu/parts/{upload}/{number}"}  # MLflow's client shows nothing there but the upload's id
    assert {path for path in everybody if "mlflow" in path} - signed <= {
        f"/{api}/{version}/mlflow/{path}"
        for api in ("api", "ajax-api")
        for version in ("2.0", "3.0")
        for path in ("server-info", "ui-telemetry")
    }


def test_no_route_answers_somebody_unknown(url):
    with httpx.Client(timeout=60) as client:
        answers = {f"{item.method} {item.path}": ask(url, item, client=client).status_code for item in GUARDED}
    assert {route: status for route, status in answers.items() if status != 401} == {}
    assert len(answers) > 100


def test_a_viewer_changes_nothing_and_an_unknown_token_opens_nothing(url, tokens):
    changing = [item for item in GUARDED if not item.permission.endswith((":read", ":predict"))]
    with httpx.Client(timeout=60) as client:
        answers = {f"{item.method} {item.path}": ask(url, item, tokens["eve"], client).status_code for item in changing}
    assert {route: status for route, status in answers.items() if status != 403} == {}
    assert ask(url, GUARDED[0], "hr_x_y").status_code == 401


def test_errors_are_told_in_the_shape_of_each_protocol(url, tokens):
    native = httpx.get(f"{url}/api/v1/catalog")
    assert native.headers["content-type"] == "application/problem+json"
    assert native.headers["www-authenticate"].startswith("Basic")
    assert "HEADRACE_TOKEN" in native.json()["detail"]
    mlflow = httpx.get(f"{url}/api/2.0/mlflow/experiments/get", params={"experiment_id": "0"})
    assert (mlflow.status_code, mlflow.json()["error_code"]) == (401, "UNAUTHENTICATED")
    refused = httpx.post(
        f"{url}/api/2.0/mlflow/experiments/create", json={"name": "x"}, headers={"authorization": f"Bearer {tokens['eve']}"}
    )
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")


def test_basic_is_taken_as_well(url, tokens):
    path = f"{url}/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert httpx.get(path, auth=("bob", tokens["bob"])).status_code == 200
    assert httpx.get(path, auth=("eve", tokens["bob"])).status_code == 401


def test_a_scoped_token_may_do_no_more_than_its_scope(url, tokens):
    headers = {"authorization": f"Bearer {tokens['narrow']}"}
    assert httpx.get(f"{url}/api/v1/experiments", headers=headers).status_code == 200
    assert httpx.get(f"{url}/api/v1/catalog", headers=headers).status_code == 403


def test_a_remote_store_says_who_it_is_by_its_token(url, tokens, monkeypatch):
    with hr.connect(url) as store, pytest.raises(UnauthenticatedError, match="HEADRACE_TOKEN"):
        store.models.list()
    monkeypatch.setenv("HEADRACE_TOKEN", tokens["eve"])
    with hr.connect(url) as store:
        assert store.models.list() == []
        with pytest.raises(AccessError, match="eve"):
            store.models.set_tag("ranker", "a", "b")


def test_who_signed_in_through_a_remote_store_signs_out_there_and_keeps_other_tokens(url, tokens, monkeypatch):
    monkeypatch.setenv("HEADRACE_TOKEN", tokens["bob"])
    with hr.connect(url) as store:
        store.accounts.sign_in()
        own, signed = store.accounts.tokens()
        for token in (own, signed, signed):
            store.accounts.sign_out(token.id)
        assert [bool(token.revoked) for token in store.accounts.tokens()] == [False, True]


def test_the_trail_names_the_account_and_not_what_the_client_says(url, tokens, monkeypatch):
    monkeypatch.setenv("HEADRACE_TOKEN", tokens["bob"])
    with hr.connect(url) as store:
        with store.start_run(experiment="e") as run:
            model = run.log_model(Always(), "m", serializer="pickle")
        store.models.register(model, "ranker")
        with pytest.raises(AccessError, match="models:promote"):
            store.models.promote("ranker", 1)
    monkeypatch.setenv("HEADRACE_TOKEN", tokens["ada"])
    with hr.connect(url) as store:
        store.models.promote("ranker", 1)
        assert [(entry.action, entry.user) for entry in store.models.history("ranker")] == [
            ("register", "bob"),
            ("promote", "ada"),
        ]


def test_what_was_done_to_accounts_is_told_to_admins_alone_by_whatever_way(url, tokens, monkeypatch):
    monkeypatch.setenv("HEADRACE_TOKEN", tokens["eve"])
    with hr.connect(url) as store:
        assert "server:accounts" not in store.models.trails()
        with pytest.raises(InvalidInputError, match="server:accounts"):
            store.models.audit.history("server:accounts")
        with pytest.raises(NotFoundError, match="server:accounts"):
            store.models.history("server:accounts")
        with pytest.raises(AccessError, match="accounts:admin"):
            store.accounts.history()


class Always:
    """A model of our own."""

    def predict(self, data):
        return [1.0] * len(data)


def test_a_revoked_token_opens_nothing_a_moment_later(project, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    with hr.connect(folder) as store, served(folder) as url:
        assert httpx.get(f"{url}/api/v1/catalog").status_code == 200  # open, as long as there is no user
        store.accounts.add_user("root", "admin")
        token, secret = store.accounts.create_token("root")
        until(lambda: httpx.get(f"{url}/api/v1/catalog").status_code == 401)
        headers = {"authorization": f"Bearer {secret}"}
        assert httpx.get(f"{url}/api/v1/catalog", headers=headers).status_code == 200
        store.accounts.revoke(token.id)
        until(lambda: httpx.get(f"{url}/api/v1/catalog", headers=headers).status_code == 401)


def as_(tokens, name):
    return {"authorization": f"Bearer {tokens[name]}"}


def test_everybody_learns_who_they_are_and_what_they_may_do(url, tokens):
    unknown = httpx.get(f"{url}/api/v1/accounts/me").json()
    assert (unknown["open"], unknown["name"], unknown["permissions"]) == (False, None, [])
    me = httpx.get(f"{url}/api/v1/accounts/me", headers=as_(tokens, "bob")).json()
    assert (me["name"], me["role"], "models:promote" in me["permissions"]) == ("bob", "editor", False)
    assert (me["acts_as"], me["scopes"]) == ("editor", [])
    narrow = httpx.get(f"{url}/api/v1/accounts/me", headers=as_(tokens, "narrow")).json()
    assert (narrow["acts_as"], narrow["scopes"]) == (None, ["runs:read"])


def test_tokens_are_ones_own_unless_an_admin_asks(url, tokens):
    made = httpx.post(f"{url}/api/v1/accounts/tokens", json={"label": "laptop"}, headers=as_(tokens, "bob")).json()
    assert (made["user"], made["token"][:3]) == ("bob", "hr_")
    own = httpx.get(f"{url}/api/v1/accounts/tokens", headers=as_(tokens, "bob")).json()["tokens"]
    assert {token["user"] for token in own} == {"bob"}
    assert httpx.post(f"{url}/api/v1/accounts/tokens", json={"user": "ada"}, headers=as_(tokens, "bob")).status_code == 403
    assert httpx.get(f"{url}/api/v1/accounts/tokens?user=ada", headers=as_(tokens, "bob")).status_code == 403
    revoke = f"{url}/api/v1/accounts/tokens/{made['id']}"
    assert httpx.delete(revoke, headers=as_(tokens, "eve")).status_code == 403
    assert httpx.delete(revoke, headers=as_(tokens, "bob")).status_code == 200
    everybody = httpx.get(f"{url}/api/v1/accounts/tokens", headers=as_(tokens, "root")).json()["tokens"]
    assert {token["user"] for token in everybody} >= {"bob", "ada"}


def test_a_limited_token_makes_no_tokens(url, tokens):
    headers = as_(tokens, "narrow")
    assert httpx.post(f"{url}/api/v1/accounts/tokens", json={}, headers=headers).status_code == 403


def test_a_browser_signs_in_by_a_cookie_and_out_again(url, tokens):
    new = {"name": "dora", "role": "editor", "password": "first password"}
    assert httpx.post(f"{url}/api/v1/accounts/users", json=new, headers=as_(tokens, "root")).status_code == 200
    with httpx.Client(base_url=url) as browser, httpx.Client(base_url=url) as other:
        wrong = browser.post("/api/v1/session", auth=("dora", "guessed"), headers={"x-requested-with": "app"})
        assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, "Bearer")  # no box of the browser's own
        for tab in (browser, other):
            signed = tab.post("/api/v1/session", auth=("dora", "first password"))
            assert (signed.status_code, signed.json()["name"]) == (200, "dora")
            assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(signed.headers["set-cookie"].split("; "))
        assert browser.get("/api/v1/accounts/me").json()["name"] == "dora"
        assert browser.post("/api/v1/experiments", json={"name": "x"}, headers={"origin": "http://elsewhere"}).status_code == 403
        change = {"old": "guessed", "new": "second password"}
        assert browser.post("/api/v1/accounts/password", json=change).status_code == 403
        change["old"] = "first password"
        assert browser.post("/api/v1/accounts/password", json=change).status_code == 200
        assert browser.get("/api/v1/experiments").status_code == 200
        until(lambda: other.get("/api/v1/experiments").status_code == 401)  # who knew the old one has to know the new one
        kept = browser.cookies["headrace_session"]
        assert browser.delete("/api/v1/session").status_code == 200
        assert browser.get("/api/v1/experiments").status_code == 401
        until(lambda: httpx.get(f"{url}/api/v1/experiments", cookies={"headrace_session": kept}).status_code == 401)


def test_a_token_signs_a_browser_in_and_outlives_it(url, tokens):
    with httpx.Client(base_url=url) as browser:
        assert browser.post("/api/v1/session", auth=("eve", tokens["eve"])).status_code == 200
        assert browser.get("/api/v1/accounts/me").json()["name"] == "eve"
        browser.delete("/api/v1/session")
        assert browser.get("/api/v1/experiments").status_code == 401
    assert httpx.get(f"{url}/api/v1/experiments", headers=as_(tokens, "eve")).status_code == 200


def test_the_server_tells_what_it_is_and_of_which_build(url, tokens):
    answer = httpx.get(f"{url}/api/v1/server", headers=as_(tokens, "eve"))
    assert answer.json()["open"] is False
    assert set(answer.json()["stores"]) == {"catalog", "lake", "artifacts", "online", "events", "engine"}
    assert answer.headers["x-headrace-release"].startswith(answer.json()["release"])


def test_users_are_an_admins_alone(url, tokens):
    new = {"name": "carol", "role": "viewer"}
    assert httpx.post(f"{url}/api/v1/accounts/users", json=new, headers=as_(tokens, "ada")).status_code == 403
    assert httpx.post(f"{url}/api/v1/accounts/users", json=new, headers=as_(tokens, "root")).json()["name"] == "carol"
    changed = httpx.post(f"{url}/api/v1/accounts/users/carol", json={"active": False}, headers=as_(tokens, "root")).json()
    assert changed["active"] is False
    last = httpx.post(f"{url}/api/v1/accounts/users/root", json={"role": "viewer"}, headers=as_(tokens, "root"))
    assert last.status_code == 409
    assert len(httpx.get(f"{url}/api/v1/accounts/users", headers=as_(tokens, "root")).json()["users"]) == 6


def test_a_request_is_opened_talked_about_and_approved(url, tokens, monkeypatch):
    monkeypatch.setenv("HEADRACE_TOKEN", tokens["bob"])
    with hr.connect(url) as store:
        with store.start_run(experiment="e") as run:
            model = run.log_model(Always(), "m", serializer="pickle")
        store.models.register(model, "asked")
    versions = f"{url}/api/v1/models/asked/versions/1"
    made = httpx.post(f"{versions}/requests", json={"reason": "better"}, headers=as_(tokens, "bob")).json()
    assert (made["user"], made["stage"], made["status"]) == ("bob", "Production", "open")
    remarks = f"{url}/api/v1/requests/{made['id']}/remarks"
    said = httpx.post(remarks, json={"kind": "comment", "text": "why?"}, headers=as_(tokens, "bob")).json()
    assert [remark["text"] for remark in said["remarks"]] == ["why?"]
    one = httpx.get(f"{url}/api/v1/requests/{made['id']}", headers=as_(tokens, "eve")).json()
    assert [remark["text"] for remark in one["remarks"]] == ["why?"]
    assert httpx.post(remarks, json={"kind": "approve"}, headers=as_(tokens, "bob")).status_code == 403
    assert httpx.post(remarks, json={"kind": "approve"}, headers=as_(tokens, "ada")).json()["status"] == "done"
    assert httpx.get(f"{url}/api/v1/requests?status=all", headers=as_(tokens, "eve")).json()["requests"][0]["id"] == made["id"]
    (reign,) = httpx.get(f"{url}/api/v1/models/asked/timeline", headers=as_(tokens, "eve")).json()["reigns"]
    assert (reign["version"], reign["user"], reign["ended"]) == (1, "ada", None)
    card = {"text": "Always one."}
    assert httpx.put(f"{versions}/card", json=card, headers=as_(tokens, "eve")).status_code == 403
    assert httpx.put(f"{versions}/card", json=card, headers=as_(tokens, "bob")).status_code == 200
    assert "Always one." in httpx.get(f"{versions}/card", headers=as_(tokens, "eve")).text
    owner = httpx.put(f"{url}/api/v1/models/asked/owner", json={"owner": "team"}, headers=as_(tokens, "bob"))
    assert owner.status_code == 200
    stage = httpx.post(f"{versions}/stage", json={"to": "Archived"}, headers=as_(tokens, "bob"))
    assert stage.status_code == 403  # out of Production is an approver's word too


def test_webhooks_are_made_tried_and_removed(url, tokens):
    admin = as_(tokens, "root")
    bad = httpx.post(f"{url}/api/v1/webhooks", json={"url": "http://ci.example.com"}, headers=admin)
    assert bad.status_code == 422
    made = httpx.post(f"{url}/api/v1/webhooks", json={"url": "https://127.0.0.1/x", "secret": "s"}, headers=admin).json()
    assert (made["signed"], "secret" in made) == (True, False)
    sent = httpx.post(f"{url}/api/v1/webhooks/{made['id']}/test", headers=admin).json()
    assert (sent["status"], "no public address" in sent["answer"]) == ("failed", True)
    changed = httpx.post(f"{url}/api/v1/webhooks/{made['id']}", json={"active": False}, headers=admin).json()
    assert changed["active"] is False
    found = httpx.get(f"{url}/api/v1/webhooks/deliveries?webhook={made['id']}", headers=admin).json()["deliveries"]
    assert [delivery["id"] for delivery in found] == [sent["id"]]
    assert httpx.post(f"{url}/api/v1/webhooks/deliveries/{sent['id']}/replay", headers=admin).json()["status"] == "waiting"
    assert httpx.delete(f"{url}/api/v1/webhooks/{made['id']}", headers=admin).status_code == 200
    assert httpx.get(f"{url}/api/v1/webhooks", headers=admin).json()["webhooks"] == []


def test_a_server_tells_webhooks_what_happens(tmp_path):
    from servers.hooks import receiver

    (tmp_path / "headrace.toml").write_text('webhook_hosts = ["127.0.0.1"]', encoding="utf-8")
    with receiver() as hooks, hr.connect(tmp_path) as store, served(tmp_path):
        store.webhooks.create(hooks.url, ["registered_model.created"])
        store.models.create("ranker")
        until(lambda: hooks.got)
        assert b"registered_model.created" in hooks.got[0][1]


def test_a_password_is_changed_by_who_knows_the_present_one(url, tokens, monkeypatch):
    monkeypatch.setattr(passwords, "_COST", 2**6)
    path = f"{url}/api/v1/accounts/password"
    first = {"new": "correct horse"}
    assert httpx.post(path, json=first).status_code == 401
    assert httpx.post(path, json=first, headers=as_(tokens, "narrow")).status_code == 403
    assert httpx.post(path, json={"new": "short"}, headers=as_(tokens, "eve")).status_code == 422
    assert httpx.post(path, json=first, headers=as_(tokens, "eve")).json()["password"] is True
    second = {"old": "correct horse", "new": "battery staple"}
    assert httpx.post(path, json={**second, "old": "wrong horse"}, headers=as_(tokens, "eve")).status_code == 403
    assert httpx.post(path, json={"new": "battery staple"}, headers=as_(tokens, "eve")).status_code == 403
    assert httpx.post(path, json=second, auth=("eve", "correct horse")).status_code == 200
    me = httpx.get(f"{url}/api/v1/accounts/me", auth=("eve", "battery staple")).json()
    assert me["name"] == "eve"


def test_roles_and_events_are_listed_and_one_webhook_is_shown(url, tokens):
    roles = httpx.get(f"{url}/api/v1/accounts/roles", headers=as_(tokens, "eve")).json()["roles"]
    assert [each["role"] for each in roles] == ["viewer", "editor", "approver", "admin"]
    assert "models:promote" in roles[2]["permissions"]
    assert "models:promote" not in roles[1]["permissions"]
    admin = as_(tokens, "root")
    assert "model_version.promoted" in httpx.get(f"{url}/api/v1/webhooks/events", headers=admin).json()["events"]
    made = httpx.post(f"{url}/api/v1/webhooks", json={"url": "https://ci.example.com/x"}, headers=admin).json()
    path = f"{url}/api/v1/webhooks/{made['id']}"
    assert httpx.post(path, json={"model": "ranker", "name": "ci"}, headers=admin).json()["model"] == "ranker"
    assert httpx.get(path, headers=admin).json()["name"] == "ci"
    assert httpx.delete(path, headers=admin).status_code == 200
    assert httpx.get(path, headers=admin).status_code == 404


def test_who_guesses_passwords_waits_and_is_told_for_how_long(url, tokens, monkeypatch):
    monkeypatch.setattr(passwords, "_COST", 2**6)  # slow is what it is for, not what is tested here
    for path, shape in (("/api/v1/catalog", "title"), ("/api/2.0/mlflow/experiments/get?experiment_id=0", "error_code")):
        user = f"guessed-{shape}"
        for number in range(5):
            assert httpx.get(f"{url}{path}", timeout=60, auth=(user, f"guess {number}")).status_code == 401
        refused = httpx.get(f"{url}{path}", timeout=60, auth=(user, "one more"))
        assert (refused.status_code, refused.headers["retry-after"], shape in refused.json()) == (429, "1", True)
        assert "www-authenticate" not in refused.headers
    with hr.connect(url.replace("://", "://guessed-title:another@")) as store, pytest.raises(TooManyAttemptsError) as told:
        store.models.list()
    assert told.value.retry_after >= 1
    assert httpx.get(f"{url}/api/v1/experiments", headers=as_(tokens, "eve")).status_code == 200
    acts = httpx.get(f"{url}/api/v1/accounts/history", headers=as_(tokens, "root")).json()["acts"]
    guesses = [act for act in acts if act["action"] == "slow down"]
    assert (guesses[-1]["after"]["address"], guesses[-1]["origin"], guesses[-1]["user"]) == (
        "127.0.0.1",
        "127.0.0.1",
        "guessed-title",
    )
    assert httpx.get(f"{url}/api/v1/accounts/history", headers=as_(tokens, "ada")).status_code == 403
    audit = httpx.get(f"{url}/api/v1/audit", headers=as_(tokens, "eve")).json()["entries"]
    assert {entry["subject"].partition(":")[0] for entry in audit} & {"server"} == set()


def test_a_remote_store_has_the_accounts_and_webhooks_that_an_embedded_one_has(url, tokens, monkeypatch):
    from headrace.accounts.service import Accounts
    from headrace.remote.accounts import RemoteAccounts
    from headrace.remote.models import RemoteModels
    from headrace.remote.webhooks import RemoteWebhooks
    from headrace.webhooks.service import Webhooks

    for whole, remote, served_here in (
        (Accounts, RemoteAccounts, {"by", "sign_in"}),
        (Webhooks, RemoteWebhooks, set()),
    ):
        names = {name for name in vars(whole) if not name.startswith("_")}
        assert names - set(vars(remote)) == served_here
    changing = {"create", "rename", "delete", "delete_version", "register", "promote", "rollback", "set_gates", "set_alias"}
    assert changing <= set(vars(RemoteModels))

    monkeypatch.setenv("HEADRACE_TOKEN", tokens["root"])
    with hr.connect(url) as store:
        made = store.accounts.add_user("remote-dora", "editor", "correct horse")
        assert (made.name, "scrypt" in f"{made.password}", made.to_dict()["password"]) == ("remote-dora", False, True)
        token, secret = store.accounts.create_token("remote-dora", "ci", ["viewer"], 7)
        assert secret.startswith(f"hr_{token.id}_")
        assert len(token.digest) != 64
        assert [each.id for each in store.accounts.tokens("remote-dora")] == [token.id]
        assert store.accounts.change_user("remote-dora", role="approver").role == "approver"
        assert store.accounts.user("remote-dora").role == "approver"
        assert "remote-dora" in {user.name for user in store.accounts.users()}
        store.accounts.revoke(token.id)
        assert {act.action for act in store.accounts.history(3)} == {"create token", "change user", "revoke token"}
        with pytest.raises(AccessError, match="whose it is"):
            store.accounts.change_password("remote-dora", "correct horse", "another horse")

        hook = store.webhooks.create("https://127.0.0.1/x", ["model_version.promoted"], secret="s3cret", model="ranker")
        assert (hook.user, "s3cret" in hook.secret, hook.to_dict()["signed"]) == ("root", False, True)
        assert store.webhooks.change(hook.id, name="ci", events=["*"]).name == "ci"
        assert store.webhooks.get(hook.id).events == ("*",)
        assert [each.id for each in store.webhooks.list()] == [hook.id]
        sent = store.webhooks.test(hook.id)
        assert (sent.status, [each.id for each in store.webhooks.deliveries(hook.id)]) == ("failed", [sent.id])
        assert store.webhooks.replay(sent.id).status == "waiting"
        store.webhooks.remove(hook.id)
        assert list(store.webhooks.list()) == []

        assert store.models.create("remote-model", tags={"a": 1}).tags == {"a": "1"}
        assert store.models.rename("remote-model", "remote-renamed").name == "remote-renamed"
        store.models.delete("remote-renamed")
        assert "remote-renamed" not in {model.name for model in store.models.list()}
    monkeypatch.setenv("HEADRACE_TOKEN", tokens["bob"])
    with hr.connect(url) as store:
        for step in (store.accounts.users, store.webhooks.list, lambda: store.accounts.create_token("root")):
            with pytest.raises(AccessError):
                step()
        own, _ = store.accounts.create_token()
        assert own.user == "bob"


def test_a_live_stream_ends_when_its_token_is_revoked(url, tokens, monkeypatch):
    monkeypatch.setattr(admission, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.0)
    made = httpx.post(f"{url}/api/v1/accounts/tokens", json={"label": "tab"}, headers=as_(tokens, "eve"), timeout=PATIENCE).json()
    shown = {"authorization": f"Bearer {made['token']}"}
    with httpx.stream("GET", f"{url}/api/v1/live", headers=shown, timeout=PATIENCE) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line == "event: beat")
        revoke = f"{url}/api/v1/accounts/tokens/{made['id']}"
        assert httpx.delete(revoke, headers=as_(tokens, "eve"), timeout=PATIENCE).status_code == 200
        for _ in lines:  # what is told before it is noticed
            pass
    assert httpx.get(f"{url}/api/v1/live", headers=shown, timeout=PATIENCE).status_code == 401
