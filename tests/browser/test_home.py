"""The first page in a real browser, and the addresses that MLflow's clients print."""

from __future__ import annotations

import httpx
from playwright.sync_api import expect


def test_home_shows_what_runs_and_what_failed(page):
    page.goto("/")
    running = page.get_by_role("region", name="Running now")
    expect(running.get_by_role("link", name="still going")).to_be_visible()
    expect(running.get_by_role("img", name="loss so far")).to_be_visible()
    failed = page.get_by_role("region", name="Failed in 24 hours")
    expect(failed.get_by_text("the data has 0 rows; check the query")).to_be_visible()


def test_a_saved_view_is_listed_at_home_and_opens(page):
    page.goto("/experiments/1?q=params.depth%20%3D%20'6'")
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Name of the view").fill("shallow ones")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto("/")
    page.get_by_role("region", name="Saved views").get_by_role("link", name="shallow ones").click()
    expect(page.get_by_role("combobox", name="Filter of runs")).to_have_value("params.depth = '6'")


def test_the_addresses_that_mlflow_prints_lead_to_our_pages(page, site):
    run = httpx.post(f"{site}/api/v1/runs/search", json={"experiments": ["1"], "limit": 1}).json()["runs"][0]
    page.goto(f"/#/experiments/{run['experiment_id']}/runs/{run['id']}")
    expect(page.get_by_role("heading", name=run["name"])).to_be_visible()
    page.goto("/#/experiments/1")
    expect(page.get_by_role("heading", name=run["experiment"])).to_be_visible()
    page.goto("/#/models/buyers/versions/1")
    expect(page.get_by_role("link", name="buyers")).to_be_visible()
    assert page.url == f"{site}/models/buyers/1"


def test_a_request_awaits_approval_at_home(page, site):
    made = httpx.post(f"{site}/api/v1/models/buyers/versions/2/requests", json={"reason": "knows more"}).json()
    page.goto("/")
    awaiting = page.get_by_role("region", name="Awaiting approval")
    expect(awaiting.get_by_role("link", name="buyers v2 → Production")).to_be_visible()
    httpx.post(f"{site}/api/v1/requests/{made['id']}/remarks", json={"kind": "withdraw"})
    page.reload()
    expect(page.get_by_role("region", name="Waiting in Staging")).to_be_visible()
    expect(awaiting).to_have_count(0)
