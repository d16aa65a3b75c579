"""Ten thousand runs, five thousand metrics, a million points: only what is in sight exists, and nothing of it is lost."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from browser.large import COLUMNS, MANY_KEYS, RUNS, fill


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The address of a server of a large project, and the ids of what is in it."""
    from headrace.server.web import STATIC
    from servers.headrace import headrace_server

    if not (STATIC / "index.html").exists():
        pytest.skip("the web app isn't built; run: make ui")
    folder = tmp_path_factory.mktemp("large")
    (folder / "headrace.toml").touch()
    ids = fill(folder)
    with headrace_server(folder, "--no-access-log") as url:
        yield url, ids


@pytest.fixture
def tab(chromium):
    """A tab; what goes wrong in it fails the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    wrongs = []
    page.on("pageerror", lambda error: wrongs.append(str(error)))
    yield page
    context.close()
    assert wrongs == []


def test_ten_thousand_runs_are_scrolled_through_and_ordered(tab, large):
    url, ids = large
    columns = [f"{kind}.{letter}{place:02}" for kind, letter in (("metrics", "m"), ("params", "p")) for place in range(COLUMNS)]
    columns += [f"{column}:{figure}" for figure in ("step", "low", "high") for column in columns[:COLUMNS]]
    listed = ",".join(f'"{column}"' for column in columns)
    tab.goto(f"{url}/experiments/{ids['wide']}?mode=table&cols=[{listed}]")
    table = tab.get_by_role("table", name="Runs")
    expect(table).to_have_attribute("aria-rowcount", str(RUNS + 1))
    expect(table.get_by_role("link", name="wide-9999", exact=True)).to_be_visible()
    table.evaluate("(node) => { node.scrollTop = node.scrollHeight; }")
    expect(table.get_by_role("link", name="wide-0", exact=True)).to_be_visible()
    table.evaluate("(node) => { node.scrollLeft = node.scrollWidth; }")
    last = table.get_by_role("row").filter(has=tab.get_by_role("link", name="wide-1", exact=True))
    expect(last.get_by_role("cell").last).to_have_text("\u22120.2794")  # sin(6): the highest of the last metric
    assert tab.locator(".run-row").count() < 80
    assert tab.locator(".run-row >> nth=0").get_by_role("cell").count() < 30
    table.evaluate("(node) => { node.scrollLeft = 0; node.scrollTop = 0; }")
    table.get_by_role("button", name="m00; press to order").click()
    expect(table.locator(".run-link").first).not_to_have_text("wide-9999")
    assert "sort=" in tab.url


def test_of_five_thousand_charts_those_in_sight_exist(tab, large):
    url, ids = large
    tab.goto(f"{url}/runs/{ids['keys-run']}?tab=charts")
    expect(tab.get_by_role("img", name=re.compile("^layer00.weight00: 1 curves"))).to_be_visible()
    charts = tab.get_by_role("group", name="Charts of metrics")
    charts.evaluate("(node) => { node.scrollTop = node.scrollHeight; }")
    expect(tab.get_by_role("img", name=re.compile("^layer99.weight49: 1 curves"))).to_be_visible()
    assert tab.locator("canvas").count() < 40
    tab.get_by_role("textbox", name="Find a chart").fill("layer42/weight07")
    expect(tab.get_by_role("img", name=re.compile("^layer42.weight07: 1 curves"))).to_be_visible()
    expect(tab.locator("canvas")).to_have_count(1)
    tab.get_by_role("button", name="Horizontal axis: Step").click()
    tab.get_by_role("combobox", name="Find: Horizontal axis").fill("layer03/weight33")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("button", name="Horizontal axis: layer03/weight33")).to_be_visible()
    assert MANY_KEYS == 5000


def test_a_spike_among_a_million_points_is_seen_and_zoomed_to(tab, large):
    url, ids = large
    tab.goto(f"{url}/runs/{ids['long-run']}?tab=charts")
    chart = tab.get_by_role("img", name=re.compile("^wave: 1 curves"))
    expect(chart).to_be_visible()
    tab.get_by_role("button", name="Enlarge").click()
    figures = tab.get_by_role("dialog").get_by_role("row").last
    expect(figures.get_by_role("cell")).to_have_text([" long-run", "\u22120.5440", "\u22121", "50", "1,000,000"])
