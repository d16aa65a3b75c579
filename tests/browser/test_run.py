"""A run's page, and runs side by side, in a real browser."""

from __future__ import annotations

import math
import re

import httpx
from playwright.sync_api import expect

import headrace as hr


def runs_of(site, limit=4, experiments=("1",)):
    """Ids of runs, newest first."""
    asked = {"experiments": [*experiments], "limit": limit}
    return [run["id"] for run in httpx.post(f"{site}/api/v1/runs/search", json=asked).json()["runs"]]


def files_of(site, run):
    """The paths of a run's files."""
    return [file["path"] for file in httpx.get(f"{site}/api/v1/runs/{run}/files").json()["files"]]


def with_files(site):
    """A run that has reports."""
    for run in runs_of(site, limit=50):
        if "reports/notes.md" in files_of(site, run):
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
    page.goto(f"/runs/{run}?tab=artifacts&file=reports/roc.html")  # as MLflow keeps a figure of Plotly: its library is elsewhere
    expect(page.get_by_role("img", name="ROC: model, chance")).to_be_visible()
    page.get_by_text("2 traces as a table").click()
    expect(page.get_by_role("row", name=re.compile("^chance 2 0 1$"))).to_be_visible()
    expect(page.locator("iframe")).to_have_count(0)


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


def test_a_comparison_bears_a_run_that_is_gone_and_more_runs_than_fit(page, site):
    ids = runs_of(site, limit=22, experiments=("1", "2"))
    assert len(ids) > 20
    page.expected_errors = ("404",)
    page.goto(f"/compare?runs={ids[0]},{'0' * 32},{ids[1]}")
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    page.get_by_role("button", name="Leave out").click()
    expect(page.get_by_role("button", name="Leave out")).to_have_count(0)
    page.goto(f"/compare?runs={','.join(ids)}")
    expect(page.get_by_role("heading", name="Compare 20 runs")).to_be_visible()
    expect(page.get_by_text(f"of {len(ids)}; leave one out")).to_be_visible()
    assert page.get_by_role("columnheader").count() == 21
    page.get_by_role("button", name=re.compile("^Leave .* out$")).first.click()
    expect(page.get_by_text(f"of {len(ids) - 1}; leave one out")).to_be_visible()
    expect(page.get_by_role("columnheader")).to_have_count(21)


def test_runs_are_compared_by_what_they_ran_in_too(page, site):
    captured = [run for run in runs_of(site, limit=30) if "capture/environment.json" in files_of(site, run)]
    assert len(captured) == 2
    page.goto(f"/compare?runs={','.join(captured)}")
    table = page.get_by_role("table", name="Comparison")
    expect(table.get_by_role("rowheader", name="duration")).to_be_visible()
    page.get_by_role("switch", name="Hide equal").click()
    page.get_by_role("textbox", name="Find a fact").fill("numpy")
    expect(table.get_by_role("row", name=re.compile(r"^(Environment )?numpy 2\.[\d.]+ 2\.[\d.]+$"))).to_be_visible()
    page.get_by_role("textbox", name="Find a fact").fill("memory")
    expect(table.get_by_role("row", name=re.compile(r"^(Environment )?memory [\d.]+ [MGT]B [\d.]+ [MGT]B$"))).to_be_visible()


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
    page.goto("about:blank")  # an open page would ask for the model once more
    assert httpx.delete(f"{site}/api/v1/models/from <b>the page").status_code == 200


def test_a_run_that_is_deleted_or_removed_while_it_is_open_says_so(page, site):
    page.expected_errors = ["404"]
    with hr.connect(site) as store, store.start_run(experiment="short-lived", capture=False) as run:
        run.log_metrics({"loss": 1.0})
    page.goto(f"/runs/{run.id}")
    expect(page.get_by_role("cell", name="loss")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Live"))).to_be_visible()
    stage = {"runs": [run.id], "stage": "deleted"}
    assert httpx.post(f"{site}/api/v1/runs/update", json=stage).status_code == 200
    deleted = page.get_by_role("status").filter(has_text="This run is deleted")
    deleted.get_by_role("button", name="Restore").click()
    expect(deleted).to_have_count(0)
    assert httpx.get(f"{site}/api/v1/runs/{run.id}").json()["lifecycle_stage"] == "active"
    gone = {"title": "Not found", "detail": "no run with id", "status": 404}
    page.route(f"**/api/v1/runs/{run.id}", lambda route: route.fulfill(status=404, json=gone))
    httpx.post(f"{site}/api/v1/runs/update", json=stage)
    expect(page.get_by_role("status").filter(has_text="removed for good while you looked")).to_be_visible()
    expect(page.get_by_role("cell", name="loss")).to_be_visible()
    page.unroute_all(behavior="ignoreErrors")


def test_a_run_that_nothing_is_heard_of_says_what_that_means(page, site):
    asked = {"filter": "attributes.status = 'LOST'"}
    lost = httpx.post(f"{site}/api/v1/runs/search", json=asked).json()["runs"][0]
    page.goto(f"/runs/{lost['id']}")
    expect(page.get_by_role("status").filter(has_text="Nothing was heard of this run since")).to_be_visible()
    expect(page.get_by_text("None yet.")).to_have_count(2)


def test_a_curve_of_nothing_but_nan_says_so(page, site):
    with hr.connect(site) as store, store.start_run(experiment="nothing", capture=False) as run:
        for step in range(20):
            run.log_metrics({"loss": math.nan, "steps": step}, step=step)
    page.goto(f"/runs/{run.id}?tab=charts")
    chart = page.get_by_role("figure").filter(has=page.get_by_role("img", name="loss: 1 curves; " + run.name + " ends at NaN"))
    expect(chart.get_by_text("Only NaN was logged")).to_be_visible()
    page.goto(f"/runs/{run.id}")
    expect(page.get_by_role("row").filter(has_text="loss").get_by_role("cell").nth(1)).to_have_text("NaN")


def test_a_file_of_many_pages_is_looked_through_a_page_at_a_time(page, site):
    lines = "".join(f"line {number} of a long text\n" for number in range(40_000))
    rows = "n,text\n" + "".join(f"{number},{'x' * 90}\n" for number in range(2000))
    with hr.connect(site) as store, store.start_run(experiment="long files", capture=False) as run:
        run.log_text("notes.txt", lines)
        run.log_text("rows.csv", rows)
    page.goto(f"/runs/{run.id}?tab=artifacts&file=notes.txt")
    text = page.locator(".preview-lines")
    expect(text).to_contain_text("line 0 of a long text")
    page.get_by_role("button", name="After").click()
    expect(text).not_to_contain_text("line 0 of a long text")
    expect(page.get_by_text("of 1.0 MB")).to_be_visible()
    assert re.match(r"line \d+ of a long text\n", text.inner_text())
    page.goto(f"/runs/{run.id}?tab=artifacts&file=rows.csv")
    expect(page.get_by_text("1\u2013100 of 2,000 rows")).to_be_visible()
    page.get_by_role("button", name="After").click()
    expect(page.get_by_role("row").nth(1).get_by_role("cell").nth(1)).to_have_text("100")
    page.get_by_role("button", name="Before").click()
    expect(page.get_by_role("row").nth(1).get_by_role("cell").nth(1)).to_have_text("0")
