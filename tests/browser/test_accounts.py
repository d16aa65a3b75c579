"""From an open server to one that asks who you are, in a real browser: the first admin, signing in, tokens, users, webhooks."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import headrace as hr
from headrace.server.web import STATIC

pytestmark = pytest.mark.skipif(not (STATIC / "index.html").exists(), reason="the web app isn't built; run: make ui")
PASSWORD = "correct horse"


@pytest.fixture
def guarded(tmp_path):
    """The address of a server of an empty project that may send webhooks to this machine."""
    from servers.headrace import headrace_server

    (tmp_path / "headrace.toml").write_text('webhook_hosts = ["127.0.0.1"]', encoding="utf-8")
    with headrace_server(tmp_path, "--no-access-log") as url:
        yield url


@pytest.fixture
def tab(chromium, guarded):
    """A tab; a fault in its scripts fails the test."""
    context = chromium.new_context(base_url=guarded, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(20_000)
    wrongs = []
    page.on("pageerror", lambda error: wrongs.append(str(error)))
    yield page
    context.close()
    assert wrongs == []


def without_barriers(page):
    barriers = Axe().run(page).response["violations"]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in barriers] == []


def sign_in(page, user, password):
    page.get_by_label("User", exact=True).fill(user)
    page.get_by_label("Password or token").fill(password)
    page.keyboard.press("Enter")


def test_from_an_open_server_to_one_that_knows_everybody(chromium, tab, guarded, tmp_path):
    first_admin(tab)
    out_and_in(tab)
    tokens(tab, guarded)
    users(tab)
    webhooks(tab)
    retention(tab, guarded, tmp_path)
    somebody_else(chromium, guarded)
    two_decide(chromium, tab, guarded, tmp_path)
    what_one_may(chromium, guarded)


def first_admin(tab):
    """The first admin closes the server, and is signed in."""
    tab.goto("/settings")
    expect(tab.get_by_role("heading", name="This server asks nobody who they are")).to_be_visible()
    without_barriers(tab)
    tab.get_by_role("link", name="Add the first admin").click()
    tab.get_by_label("Name").fill("root")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("button", name="Signed in as root")).to_be_visible()
    expect(tab.get_by_role("table", name="Users")).to_contain_text("you")
    without_barriers(tab)


def out_and_in(tab):
    """Who signs out is asked to sign in, and comes back to the same page."""
    tab.get_by_role("button", name="Signed in as root").click()
    tab.get_by_role("menuitem", name="Sign out").click()
    expect(tab.get_by_role("heading", name="Sign in to Headrace")).to_be_visible()
    without_barriers(tab)
    sign_in(tab, "root", "a guess")
    expect(tab.get_by_role("alert")).to_contain_text("belong together")
    sign_in(tab, "root", PASSWORD)
    expect(tab.get_by_role("table", name="Users")).to_be_visible()
    assert tab.url.endswith("/settings?part=users")
    tab.reload()
    expect(tab.get_by_role("table", name="Users")).to_be_visible()


def tokens(tab, url):
    """A token is shown once, works, and is revoked."""
    tab.get_by_role("link", name="Account", exact=True).click()
    tab.get_by_role("button", name="New token").click()
    dialog = tab.get_by_role("dialog")
    dialog.get_by_label("What it is for").fill("<b>nightly</b>")
    dialog.get_by_label("What it may do").select_option("viewer")
    dialog.get_by_role("button", name="Make the token").click()
    expect(dialog.get_by_role("heading")).to_have_text("Copy the token now")
    secret = re.search(r"HEADRACE_TOKEN=(\S+)", dialog.inner_text())[1]
    headers = {"authorization": f"Bearer {secret}"}
    assert httpx.get(f"{url}/api/v1/experiments", headers=headers).status_code == 200
    assert httpx.post(f"{url}/api/v1/experiments", json={"name": "x"}, headers=headers).status_code == 403
    dialog.get_by_role("button", name="I have it").click()
    line = tab.get_by_role("row").filter(has_text="<b>nightly</b>")
    expect(line).to_contain_text("viewer")
    assert secret not in tab.content()
    line.get_by_role("button", name="Revoke").click()
    expect(line).to_have_count(0)
    without_barriers(tab)


def users(tab):
    """Users are added and get other roles."""
    tab.get_by_role("link", name="Users").click()
    tab.get_by_role("button", name="Add a user").click()
    dialog = tab.get_by_role("dialog")
    dialog.get_by_label("Name").fill("eve")
    dialog.get_by_label("Role").select_option("viewer")
    dialog.get_by_label("Password").fill("only to look at")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(tab.get_by_role("row").filter(has_text="eve")).to_contain_text("password")
    tab.get_by_label("Role of root").select_option("viewer")
    expect(tab.get_by_text("is the last active admin")).to_be_visible()
    expect(tab.get_by_label("Role of root")).to_have_value("admin")
    tab.get_by_label("Role of eve").select_option("editor")
    expect(tab.get_by_text("with the role editor")).to_be_visible()
    done = tab.get_by_role("table", name="What was done")
    expect(done.get_by_role("row", name=re.compile("root .* change user eve, .*role viewer → editor"))).to_be_visible()
    expect(done.get_by_role("row", name=re.compile("root .* add user root"))).to_be_visible()
    without_barriers(tab)


def webhooks(tab):
    """A webhook is tried, and what failed is sent again."""
    from servers.hooks import receiver

    with receiver() as hooks:
        tab.get_by_role("link", name="Webhooks").click()
        tab.get_by_role("button", name="New webhook").click()
        dialog = tab.get_by_role("dialog")
        dialog.get_by_label("Address").fill(hooks.url)
        dialog.get_by_label("Name").fill("continuous integration")
        dialog.get_by_label("Secret").fill("for the signature")
        dialog.get_by_role("switch", name="Every event").click()
        without_barriers(tab)
        dialog.get_by_role("button", name="Make the webhook").click()
        tab.get_by_role("button", name="Send a test").click()
        sent = tab.get_by_role("region", name="Deliveries")
        expect(sent).to_contain_text("200")
        assert len(hooks.got) == 1
        without_barriers(tab)
    tab.get_by_role("button", name="Send a test").click()
    expect(sent).to_contain_text("failed")
    sent.get_by_role("button", name="Send again").first.click()
    expect(tab.get_by_text("It is sent once more")).to_be_visible()


def retention(tab, url, folder):
    """What was deleted long ago is told before it is removed for good."""
    with hr.connect(folder) as store:
        ids = []
        for name in ("long gone", "just gone"):
            with store.start_run(experiment="old", name=name, capture=False) as run:
                ids.append(run.id)
            store.runs.delete(run.id)
    with closing(sqlite3.connect(folder / ".headrace" / "catalog.db")) as database, database:
        changed = database.execute("UPDATE runs SET deleted = deleted - ? WHERE run_id = ?", (40 * 86_400 * 10**6, ids[0]))
        assert changed.rowcount == 1
    tab.get_by_role("link", name="Server", exact=True).click()
    panel = tab.get_by_role("region", name="Retention")
    panel.get_by_role("button", name="See what would go").click()
    dialog = tab.get_by_role("dialog")
    expect(dialog).to_contain_text("1 run, 0 experiments")
    without_barriers(tab)
    dialog.get_by_role("button", name="Keep them").click()
    expect(dialog).to_have_count(0)
    panel.get_by_label("Deleted more than so many days ago").fill("50")
    panel.get_by_role("button", name="See what would go").click()
    expect(tab.get_by_text("Nothing was deleted so long ago")).to_be_visible()
    panel.get_by_label("Deleted more than so many days ago").fill("30")
    panel.get_by_role("button", name="See what would go").click()
    dialog.get_by_role("button", name="Remove for good").click()
    expect(tab.get_by_text("Removed for good: 1 run")).to_be_visible()
    told = [tab.request.get(f"{url}/api/v1/runs/{run}").status for run in ids]
    assert told == [404, 200]


def somebody_else(chromium, url):
    """Somebody who may not is told so, and sees no door."""
    context = chromium.new_context(base_url=url)
    page = context.new_page()
    page.goto("/settings?part=users")
    sign_in(page, "eve", "only to look at")
    expect(page.get_by_role("alert")).to_contain_text("You may not see this")
    expect(page.get_by_role("link", name="Webhooks")).to_have_count(0)
    page.get_by_role("link", name="Server").click()
    expect(page.get_by_role("heading", name="Stores")).to_be_visible()
    context.close()


def what_one_may(chromium, url):
    """Nobody is offered what would be refused, and whose session ends is asked to sign in again, where they were."""

    def make(scope):
        asked = {"user": "root", "label": scope, "scopes": [scope], "days": 1}
        return httpx.post(f"{url}/api/v1/accounts/tokens", json=asked, auth=admin).json()["token"]

    admin = ("root", PASSWORD)
    narrow, viewer = make("runs:read"), make("viewer")
    context = chromium.new_context(base_url=url, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto("/")
    sign_in(page, "root", narrow)
    places = page.get_by_role("list").first.get_by_role("link")
    expect(places).to_have_count(3)  # by their names, though only icons are seen
    assert [place.get_attribute("aria-label") for place in places.all()] == ["Home", "Experiments", "Settings"]
    expect(page.get_by_role("region", name="Waiting in Staging")).to_have_count(0)
    page.context.clear_cookies()
    page.reload()
    sign_in(page, "root", viewer)
    expect(page.get_by_role("button", name="Signed in as root")).to_be_visible()  # a page that is left signs nobody in
    page.goto("/models/decided/1")
    expect(page.get_by_role("region", name="Model card")).to_be_visible()
    expect(page.get_by_role("region", name="Requests")).to_contain_text("root approved")
    expect(page.get_by_role("button", name="Signed in as root, viewer")).to_be_visible()
    expect(page.get_by_role("region", name="Requests")).to_contain_text("limited to viewer; as root you are admin")
    for offer in ("Write", "Ask for a move", "Move", "Promote", "Roll back"):
        expect(page.get_by_role("button", name=offer, exact=True)).to_have_count(0)
    page.goto("/settings")
    expect(page.get_by_text("limited to viewer; as root you are admin")).to_be_visible()
    expect(page.get_by_role("button", name="New token")).to_be_disabled()
    expect(page.get_by_text("A session that is limited makes no tokens.")).to_be_visible()
    without_barriers(page)
    page.goto("/models/decided/1")
    revoked = httpx.delete(f"{url}/api/v1/accounts/tokens/{viewer.split('_')[1]}", auth=admin)
    assert revoked.status_code == 200
    ended = page.get_by_text("Your session has ended")
    expect(ended).to_be_visible(timeout=60_000)  # though nothing happens on the page: it asks at each beat of the stream
    expect(page.get_by_label("User", exact=True)).to_have_value("root")
    without_barriers(page)
    sign_in(page, "root", PASSWORD)
    expect(page.get_by_role("region", name="Model card")).to_be_visible()
    context.close()


def two_decide(chromium, tab, url, folder):
    """Who asks for a promotion doesn't decide; another approves, the trail tells of both, and of what was changed past it."""
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    rows = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    with hr.connect(folder) as store:
        with store.start_run(experiment="decided", capture=False) as run:
            logged = run.log_model(LinearRegression().fit(rows, rows["x"]), "decided", example=rows)
        store.models.register(logged, "decided")
    context = chromium.new_context(base_url=url)
    page = context.new_page()
    page.goto("/models/decided/1")
    sign_in(page, "eve", "only to look at")
    requests = page.get_by_role("region", name="Requests")
    requests.get_by_role("button", name="Ask for a move").click()
    page.get_by_label("Why", exact=True).fill("good enough")
    page.get_by_role("dialog").get_by_role("button", name="Ask", exact=True).click()
    expect(requests.get_by_text("somebody else decides")).to_be_visible()
    expect(requests.get_by_role("button", name="Approve")).to_have_count(0)
    tab.goto("/")
    tab.get_by_role("region", name="Awaiting approval").get_by_role("link", name="decided v1 → Production").click()
    asked = tab.get_by_role("article", name="Request of eve")
    expect(asked).to_contain_text("good enough")
    without_barriers(tab)
    asked.get_by_label("What you say").fill("agreed")
    asked.get_by_role("button", name="Approve").click()
    expect(asked).to_contain_text("root approved: agreed")
    expect(requests.get_by_role("article", name="Request of eve")).to_contain_text("root approved: agreed")
    expect(page.get_by_text("@champion").first).to_be_visible()
    expect(page.get_by_role("button", name="Promote")).to_have_count(0)  # an approver does
    context.close()
    tab.get_by_role("link", name="Audit").click()
    expect(tab.get_by_role("row", name=re.compile("eve .* request"))).to_contain_text("good enough")
    expect(tab.get_by_role("row", name=re.compile("root .* promote"))).to_contain_text("v1: None → Production")
    tab.get_by_role("button", name="Verify").click()
    expect(tab.get_by_text(re.compile("entries whole$"))).to_be_visible()
    with closing(sqlite3.connect(folder / ".headrace" / "catalog.db")) as database, database:
        assert database.execute("UPDATE model_versions SET stage = 'Archived'").rowcount == 1
    tab.get_by_role("button", name="Verify").click()
    expect(tab.get_by_text("changed past the registry: decided")).to_be_visible()
    without_barriers(tab)
