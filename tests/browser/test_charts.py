"""Charts in a real browser: zoom reads anew what is in sight, what grows is read alone, faults stay in their panel."""

from __future__ import annotations

import re
import time

import httpx
import pytest
from playwright.sync_api import expect

import headrace as hr
from headrace.tracking.run import Metric

LOSS = re.compile("^train.loss: 6 curves")


def asked_of(page, act):
    """What the server is asked for of the curve of the loss when something is done."""
    with page.expect_request(
        lambda sent: sent.url.endswith("/metrics/series") and sent.post_data_json["keys"] == ["train/loss"]
    ) as told:
        act()
    return told.value.post_data_json


def drag(page, chart, first, last):
    """Drag over a part of a chart, as shares of its width."""
    box = chart.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * first, middle)
    page.mouse.down()
    for part in (0.3, 0.7, 1):
        page.mouse.move(box["x"] + box["width"] * (first + (last - first) * part), middle)
    page.mouse.up()


@pytest.mark.parametrize(
    ("axis", "place"),
    [
        ("step", (lambda low, high: 0 < low < high < 60)),
        ("relative", (lambda low, high: 0 < low < high < 120)),
        ("time", (lambda low, high: time.time() - 86_400 < low < high < time.time() + 86_400)),
        ("train/accuracy", (lambda low, high: 0 < low < high < 1.1)),
    ],
)
def test_zoom_reads_what_is_in_sight_anew(page, axis, place):
    page.goto(f"/experiments/1?mode=charts&x={axis}")
    chart = page.get_by_role("img", name=LOSS)
    expect(chart).to_be_visible()
    chart.scroll_into_view_if_needed()
    asked = asked_of(page, lambda: drag(page, chart, 0.5, 0.8))
    assert asked["axis"] == (axis if "/" not in axis else f"metric:{axis}")
    assert place(asked["start"], asked["end"])
    expect(chart).to_be_visible()
    back = page.get_by_role("figure").filter(has=chart).get_by_role("button", name="Show the whole axis")
    expect(back).to_have_count(1)
    chart.dblclick()
    expect(back).to_have_count(0)


def test_smoothing_logarithms_and_outliers_are_in_the_address(page):
    page.goto("/experiments/1?mode=charts")
    expect(page.get_by_role("img", name=LOSS)).to_be_visible()
    for name in ("Log x", "Log y", "No outliers"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Smoothing").fill("0.6")
    expect(page).to_have_url(re.compile("smooth=0.6"))
    page.reload()
    expect(page.get_by_label("Smoothing")).to_have_value("0.6")
    expect(page.get_by_role("button", name="No outliers")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("img", name=LOSS)).to_be_visible()


def test_of_runs_that_grow_only_the_new_curves_are_read(page, site):
    with hr.connect(site) as store:
        kept = store.runs.recorder.experiment("growing")
        runs = [store.runs.recorder.start(kept.name) for _ in range(3)]
        for run in runs:
            store.runs.recorder.log(
                run.id, metrics=[Metric("train/loss", 1 / (step + 1), run.start + step, step) for step in range(5)]
            )
        page.goto(f"/experiments/{kept.id}?mode=charts")
        chart = page.get_by_role("img", name=re.compile("^train.loss: 3 curves"))
        expect(chart).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
        point = Metric("train/loss", 42.5, runs[1].start + 10, 10)
        asked = asked_of(page, lambda: store.runs.recorder.log(runs[1].id, metrics=[point]))
        assert asked["runs"] == [runs[1].id]
        expect(page.get_by_role("img", name=re.compile("^train.loss: 3 curves.*ends at 42.5"))).to_be_visible()
        for run in runs:
            store.runs.recorder.finish(run.id, "FINISHED")


def test_a_run_that_nothing_is_heard_of_is_lost_and_heals(page, site):
    page.goto("/experiments")
    page.get_by_role("link", name="odd ones").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="gone silent"))
    expect(row).to_contain_text("Lost")
    row.get_by_role("link", name="gone silent").click()
    expect(page.get_by_text("Lost", exact=True)).to_be_visible()
    with hr.connect(site) as store:
        run = page.url.rsplit("/", 1)[-1]
        store.runs.recorder.finish(run, "FINISHED")
        expect(page.get_by_text("Finished", exact=True)).to_be_visible()
        store.runs.recorder.update(run, status="RUNNING")


def test_faults_stay_where_they_are_and_what_is_slow_shows_that_it_comes(page, site):
    page.expected_errors = ["500"]
    problem = {"title": "Something went wrong inside Headrace", "detail": "the server's log tells more", "status": 500}
    page.route("**/api/v1/metrics/series", lambda route: route.fulfill(status=500, json=problem))
    page.goto("/experiments/1?mode=charts")
    first = page.get_by_role("figure").first
    expect(first.get_by_role("alert")).to_contain_text("the server's log tells more")
    page.unroute("**/api/v1/metrics/series")
    first.get_by_role("button", name="Try again").click()
    expect(first.get_by_role("img")).to_be_visible()
    held = []
    page.route("**/api/v1/experiments", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks what it calls
    page.goto("/experiments")
    expect(page.get_by_role("status", name="Loading")).to_be_visible()
    held[0].continue_()
    page.unroute("**/api/v1/experiments")
    expect(page.get_by_role("link", name="video-ranker", exact=True)).to_be_visible()
    assert httpx.get(f"{site}/health").status_code == 200


def test_runs_are_chosen_shown_and_compared_by_the_keyboard_alone(page):
    page.goto("/experiments/1")
    expect(page.get_by_text("6 shown, the newest")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Filter of runs")).to_be_focused()
    page.get_by_role("table", name="Runs").focus()
    for key in ("j", "j", "x"):
        page.keyboard.press(key)
    expect(page.get_by_text("5 shown", exact=True)).to_be_visible()
    page.keyboard.press("2")
    expect(page.get_by_role("img", name=re.compile("^train.loss: 5 curves"))).to_be_visible()
    page.keyboard.press("c")
    expect(page.get_by_role("heading", name="Compare 5 runs")).to_be_visible()
    page.keyboard.press("n")
    expect(page.locator(".compare-row[data-current]")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.go_back()
    expect(page.get_by_role("img", name=re.compile("^train.loss: 5 curves"))).to_be_visible()


def test_a_selection_and_a_chart_are_used_as_people_do(page, site, tmp_path):
    with hr.connect(site) as store:
        kept = store.runs.recorder.experiment("used")
        for place in range(5):
            run = store.runs.recorder.start(kept.name, f"used-{place}")
            points = [Metric("auc", place / 10 + step / 1000, run.start + step * 1_000_000, step) for step in range(50)]
            store.runs.recorder.log(run.id, metrics=points)
            store.runs.recorder.finish(run.id, "FINISHED")
    page.goto(f"/experiments/{kept.id}")
    eyes = page.get_by_role("button", name=re.compile("^Show used-. in the charts"))
    expect(eyes).to_have_count(5)

    eyes.nth(1).click(modifiers=["Alt"])  # alone
    expect(page.get_by_text("1 shown", exact=True)).to_be_visible()
    eyes.nth(3).click(modifiers=["Shift"])  # and those up to it
    expect(page.get_by_text("3 shown", exact=True)).to_be_visible()
    chart = page.get_by_role("img", name=re.compile("^auc: 3 curves"))
    expect(chart).to_be_visible()

    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5)
    told = page.locator(".curve-tip-row")
    expect(told).to_have_count(3)
    assert [re.search(r"used-\d", text)[0] for text in told.all_inner_texts()] == [
        "used-3",
        "used-2",
        "used-1",
    ]  # the highest first

    figure = page.get_by_role("figure").filter(has=chart)
    for kind, begins in (("PNG", b"\x89PNG"), ("CSV", b"")):
        figure.get_by_role("button", name="Save auc").click()
        with page.expect_download() as saved:
            page.get_by_role("menuitem", name=kind).click()
        file = tmp_path / saved.value.suggested_filename
        saved.value.save_as(file)
        assert file.read_bytes().startswith(begins)
    lines = file.read_text().splitlines()
    assert len(lines) == 1 + 3 * 50, lines[:3]

    figure.get_by_role("button", name="Enlarge").click()
    figures = page.get_by_role("group", name="Figures of auc").get_by_role("row")
    expect(figures).to_have_count(4)
    expect(page.get_by_role("dialog").get_by_role("img", name=re.compile("^auc: 3 curves"))).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Delete").click()
    expect(eyes).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(eyes).to_have_count(5)
