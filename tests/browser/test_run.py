"""A run's page, and runs side by side, in a real browser."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import expect


def runs_of(site, limit=4):
    """Ids of runs, newest first."""
    asked = {"experiments": ["1"], "limit": limit}
    return [run["id"] for run in httpx.post(f"{site}/api/v1/runs/search", json=asked).json()["runs"]]


def with_files(site):
    """A run that has reports."""
    for run in runs_of(site, limit=50):
        if any(file["path"] == "reports/notes.md" for file in httpx.get(f"{site}/api/v1/runs/{run}/files").json()["files"]):
            return run
    raise AssertionError("no seeded run has files")


def test_every_part_of_a_run_has_an_address(page, site):
    run = with_files(site)
    page.goto(f"/runs/{run}")
    expect(page.get_by_role("cell", name="train/loss")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Charts")).click()
    expect(page.get_by_role("img", name=re.compile("^train.loss: 1 curves"))).to_be_visible()
    page.get_by_role("link", name=re.compile("^Artifacts")).click()
    page.get_by_role("link", name=re.compile("^notes.md")).click()
    expect(page.get_by_role("heading", name="Notes")).to_be_visible()
    assert "file=reports" in page.url
    page.go_back()
    page.go_back()
    expect(page.get_by_role("img", name=re.compile("^train.loss: 1 curves"))).to_be_visible()


def test_files_are_looked_into_and_a_page_among_them_is_kept_apart(page, site):
    run = with_files(site)
    page.goto(f"/runs/{run}?tab=artifacts&file=reports/scores.csv")
    expect(page.get_by_text("of 5,000 rows")).to_be_visible()
    page.get_by_role("button", name="After").click()
    expect(page.get_by_text(re.compile("^101.200 of 5,000 rows$"))).to_be_visible()
    page.goto(f"/runs/{run}?tab=artifacts&file=reports/report.html")
    inside = page.frame_locator("iframe")
    expect(inside.get_by_text("drawn by its own script")).to_be_visible()
    assert (
        inside.locator("body").evaluate("() => { try { return document.cookie + 'reached' } catch { return 'apart' } }")
        == "apart"
    )


def test_runs_are_compared_from_difference_to_difference(page, site):
    ids = runs_of(site, limit=3)
    page.goto(f"/compare?runs={','.join(ids)}")
    table = page.get_by_role("table", name="Comparison")
    expect(table.get_by_role("rowheader", name="seed", exact=True)).to_be_visible()
    expect(table.get_by_role("rowheader", name="batch")).to_have_count(0)
    page.keyboard.press("h")
    expect(table.get_by_role("rowheader", name="batch")).to_have_count(1)
    page.keyboard.press("n")
    expect(page.locator(".compare-row[data-current]")).to_have_count(1)
    page.get_by_role("radio", name="At best of").click()
    expect(page.get_by_label("Metric whose best step counts")).to_be_visible()


def test_a_run_that_isnt_there_is_told_in_words(page):
    page.expected_errors = ["404"]
    page.goto("/runs/ffffffffffffffffffffffffffffffff")
    expect(page.get_by_role("alert")).to_contain_text("no run with id")


def test_a_logged_model_is_registered_from_the_page_of_its_run(page, site):
    run = httpx.get(f"{site}/api/v1/models/buyers").json()["versions"][-1]["run_id"]
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="Register").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Registered model").fill("from <b>the page")
    dialog.get_by_role("button", name="Make the model and its version 1").click()
    expect(dialog.get_by_role("heading", name="from <b>the page version 1")).to_be_visible()
    dialog.get_by_role("link", name="Open the version").click()
    expect(page.get_by_role("heading", name="v1", exact=True)).to_be_visible()
    assert httpx.delete(f"{site}/api/v1/models/from <b>the page").status_code == 200
