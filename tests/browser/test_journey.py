"""The main journey in a real browser, from an empty server to a lineage; and a server that goes away and comes back."""

from __future__ import annotations

import re
import socket

import pytest
from playwright.sync_api import expect

from headrace.server.web import STATIC

pytestmark = pytest.mark.skipif(not (STATIC / "index.html").exists(), reason="the web app isn't built; run: make ui")


@pytest.fixture
def tab(chromium):
    """A tab that is told where to go by each test; what goes wrong in it fails the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    wrongs = []
    page.on("pageerror", lambda error: wrongs.append(str(error)))
    yield page
    context.close()
    assert wrongs == []


def train(url, seen, *, columns):
    """Log a run with a model that knows these columns; `seen` is called meanwhile. Returns its id, and rows with labels."""
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    import headrace as hr

    numbers = np.random.default_rng(5)
    rows = pd.DataFrame(numbers.normal(size=(200, 2)), columns=["age", "visits"])
    bought = (rows["age"] + rows["visits"] > 0).astype(int)
    taken = rows.assign(**{name: 0.0 for name in rows if name not in columns})
    with (
        hr.connect(url) as store,
        store.start_run(experiment="buyers", name="-".join(columns), params={"max_steps": 40}, capture=False) as run,
    ):
        for step in range(20):
            run.log_metrics({"loss": 1 / (step + 1)}, step=step)
        seen()
        run.log_metrics({"auc": 0.5 + 0.2 * len(columns)}, step=20)
        run.log_model(LogisticRegression().fit(taken, bought), "buyers", example=taken[:3])
    return run.id, taken.assign(bought=bought)


def test_from_an_empty_server_to_the_lineage_of_a_prediction(tab, tmp_path):
    import headrace as hr
    from servers.headrace import headrace_server
    from servers.models import service

    (tmp_path / "headrace.toml").touch()
    with headrace_server(tmp_path, "--no-access-log") as url:
        tab.goto(url)
        expect(tab.get_by_text(f'hr.connect("{url}")')).to_be_visible()
        expect(tab.get_by_text(f"MLFLOW_TRACKING_URI={url}")).to_be_visible()

        def appears():
            running = tab.get_by_role("region", name="Running now")
            expect(running.get_by_role("link", name="age", exact=True)).to_be_visible()
            expect(running.get_by_role("progressbar")).to_have_attribute("value", "0.5")

        trained = [train(url, appears, columns=["age"]), train(url, lambda: None, columns=["age", "visits"])]
        expect(tab.get_by_role("region", name="Running now")).to_contain_text("Nothing runs now")

        for version, (run, rows) in enumerate(trained, 1):
            tab.goto(f"{url}/runs/{run}")
            register(tab, version)
            with hr.connect(url) as store:
                store.models.evaluate("buyers", version, rows, label="bought", metrics=["auc"])

        tab.goto(f"{url}/compare?runs={trained[0][0]},{trained[1][0]}")
        expect(tab.get_by_role("table", name="Comparison").get_by_role("rowheader", name="auc")).to_be_visible()

        tab.goto(f"{url}/models")
        for version in (1, 2):
            move(tab, version)
            expect(tab.get_by_role("article", name=f"Version {version} of buyers")).to_contain_text("@champion")
        tab.get_by_role("button", name="Roll back", exact=True).click()
        tab.get_by_role("dialog").get_by_role("button", name="Roll back", exact=True).click()
        expect(tab.get_by_role("article", name="Version 1 of buyers")).to_contain_text("@champion")

        tab.get_by_role("link", name="Audit").click()
        expect(tab.get_by_role("row").filter(has_text="rollback")).to_contain_text("@champion: 2 → 1")
        tab.get_by_role("row").filter(has_text="rollback").get_by_role("link").last.click()
        expect(tab.get_by_role("row")).to_have_count(2)
        tab.reload()
        expect(tab.get_by_text("1 entry")).to_be_visible()

        with service(tmp_path, "models:/buyers@champion") as client:
            asked = {"dataframe_split": {"columns": ["age", "visits"], "data": [[0.5, 0.0]]}}
            status, answer, headers = client.ask("/invocations", asked)
            assert (status, len(answer["predictions"])) == (200, 1)
        tab.get_by_role("link", name="Lineage").click()
        tab.get_by_role("textbox", name="Name of a thing").fill(f"prediction:{headers['x-request-id']}")
        tab.keyboard.press("Enter")
        expect(tab.get_by_role("heading", name=f"prediction:{headers['x-request-id']}")).to_be_visible()
        tab.get_by_role("radio", name="Table").click()
        lineage = tab.get_by_role("table", name="Lineage")
        expect(lineage).to_contain_text("buyers")
        expect(lineage.get_by_role("button", name=re.compile("^age Run")).first).to_be_visible()


def register(tab, version):
    """Make a version of what a run logged, from its page."""
    tab.get_by_role("button", name="Register").click()
    dialog = tab.get_by_role("dialog")
    name = "Make the model and its version 1" if version == 1 else "Register a version"
    dialog.get_by_role("button", name=name).click()
    dialog.get_by_role("link", name="Open the version").click()
    expect(tab.get_by_role("heading", name=f"v{version}", exact=True)).to_be_visible()


def move(tab, version):
    """Promote a version by the keyboard alone."""
    tab.get_by_role("button", name=f"Move version {version} of buyers").focus()
    tab.keyboard.press("Enter")
    item, lit = tab.get_by_role("menuitem", name="Promote"), tab.locator("[role=menuitem][data-highlighted]")
    expect(item).to_be_visible()
    for _ in range(5):
        expect(lit).to_have_count(1)
        before = lit.inner_text()
        if item.get_attribute("data-highlighted") is not None:
            break
        tab.keyboard.press("ArrowDown")
        expect(lit).not_to_have_text(before)
    tab.keyboard.press("Enter")
    button = tab.get_by_role("dialog").get_by_role("button", name="Promote", exact=True)
    expect(button).to_be_enabled()
    button.focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("dialog")).to_have_count(0)


def test_a_server_that_is_gone_is_told_and_what_came_meanwhile_is_shown(tab, tmp_path):
    import headrace as hr
    from servers.headrace import HeadraceServer

    (tmp_path / "headrace.toml").touch()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = str(held.getsockname()[1])
    pill = tab.get_by_role("button", name=re.compile("^(Live|Reconnecting|Connecting)"))
    with HeadraceServer(tmp_path, "--no-access-log", "--port", port) as server:
        tab.goto(server.url)
        expect(pill).to_contain_text("Live")
        server.stop()
        expect(pill).to_contain_text("Reconnecting")
    with hr.connect(tmp_path) as store, store.start_run(experiment="meanwhile", capture=False) as run:
        run.log_metrics({"loss": 1.0})
    with HeadraceServer(tmp_path, "--no-access-log", "--port", port) as server:
        expect(pill).to_contain_text("Live")
        expect(tab.get_by_role("link", name="meanwhile")).to_be_visible()
        server.stop()
        tab.get_by_role("link", name="Models", exact=True).click()  # a page whose code isn't here yet
        expect(tab.get_by_role("alert")).to_contain_text("The server can\u2019t be reached")
    with HeadraceServer(tmp_path, "--no-access-log", "--port", port):
        expect(tab.get_by_role("heading", name="Models", level=1)).to_be_visible()
