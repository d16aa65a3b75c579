"""Logs of runs in a real browser: what is new is read, and no more; whole, however long they are."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import expect

import headrace as hr

MB = 1 << 20
LINES = 1_600_000


@pytest.fixture
def kept(site):
    """A run that goes on, and how its log is replaced by another."""
    with hr.connect(site) as store, store.start_run(experiment="logs", capture=False, strict=True) as run:
        yield run, lambda text: run.log_text("logs/train.log", text)


@pytest.fixture
def reads(page):
    """How many bytes of logs the page has read, by answer."""
    sizes = []

    def count(answer):
        if "/files/logs/" in answer.url:
            sizes.append(int(answer.headers.get("content-length", "0")) if answer.status != 304 else 0)

    page.on("response", count)
    return sizes


def lines_of(page):
    return page.get_by_role("log", name="Log").locator("code")


def test_of_a_log_that_grows_only_what_is_new_is_read_and_the_end_stays_in_sight(page, kept, reads):
    run, write = kept
    text = "".join(f"step {number} of an epoch that takes its time\n" for number in range(20_000))
    write(text)
    page.goto(f"/runs/{run.id}?tab=logs")
    expect(lines_of(page).last).to_have_text("step 19999 of an epoch that takes its time")
    first = sum(reads)
    assert first == len(text)
    for number in range(3):
        text += f"new {number}\nhal"
        write(text)
        expect(lines_of(page).last).to_have_text("hal")
        expect(lines_of(page).nth(-2)).to_have_text(re.compile(f"new {number}$"))
        expect(lines_of(page).last).to_be_in_viewport()
    assert 0 < sum(reads) - first < 8 * 17_000
    settled = len(reads)
    with page.expect_response(lambda answer: "/files/logs/" in answer.url and answer.status == 304):
        pass  # nothing is new, and nothing comes
    assert sum(reads[settled:]) == 0


def test_who_reads_farther_up_is_left_there_while_the_log_grows(page, kept):
    run, write = kept
    text = "".join(f"step {number}\n" for number in range(3000))
    write(text)
    page.goto(f"/runs/{run.id}?tab=logs")
    expect(lines_of(page).last).to_have_text("step 2999")
    log = page.get_by_role("log", name="Log")
    follow = page.get_by_role("switch", name="Follow the end")
    expect(follow).to_be_checked()
    log.evaluate("(node) => { node.scrollTop = 19 * 1000; }")
    expect(follow).not_to_be_checked()
    write(text + "the end\n")
    expect(page.get_by_text("3,001 lines")).to_be_visible()
    assert log.evaluate("(node) => node.scrollTop") == 19_000
    follow.click()
    expect(page.get_by_text("the end", exact=True)).to_be_in_viewport()


def test_a_log_that_is_replaced_or_cut_is_shown_as_it_is_now(page, kept):
    run, write = kept
    write("".join(f"first {number}\n" for number in range(500)))
    page.goto(f"/runs/{run.id}?tab=logs")
    expect(lines_of(page).last).to_have_text("first 499")
    for text in ("first 0\nfirst 1\n", "other\n" * 900 + "ends so\n"):
        write(text)
        expect(page.get_by_text(f"{text.count(chr(10)):,} lines")).to_be_visible()
        expect(lines_of(page).last).to_have_text(text.splitlines()[-1])


def test_a_progress_bar_is_the_line_that_a_terminal_shows(page, kept):
    run, write = kept
    write("".join(f"\r{percent}%" for percent in range(101)) + "\n\x1b[31mred\x1b[0m <b>end</b>\n")
    page.goto(f"/runs/{run.id}?tab=logs")
    expect(lines_of(page)).to_have_text(["100%", "red <b>end</b>"])


def test_a_log_of_a_hundred_megabytes_is_read_from_its_end_searched_whole_and_opened_anywhere(page, kept, reads):
    run, write = kept
    needle = 400_000
    text = "".join(
        f"{number:07} the loss of this step is {'NaN, alas' if number == needle else 'fine, and written out at length'}\n"
        for number in range(LINES)
    )
    assert len(text) > 100_000_000
    write(text)
    page.goto(f"/runs/{run.id}?tab=logs")
    expect(lines_of(page).last).to_contain_text(f"{LINES - 1:07} ")
    assert sum(reads) <= 1 * MB
    assert lines_of(page).count() < 120
    for _ in range(3):  # up, and what is before comes
        place = lines_of(page).first.inner_text()
        page.get_by_role("log").evaluate("(node) => { node.scrollTop = 0; }")
        expect(lines_of(page).first).not_to_have_text(place)
    page.get_by_role("textbox", name="Find in the log").fill("nan, ALAS")
    found = page.get_by_role("log", name="Lines found").get_by_role("button")
    expect(found).to_have_count(1)
    expect(found).to_contain_text(f"{needle + 1}")
    found.click()
    line = page.locator("[data-shown]")
    expect(line).to_contain_text(f"{needle:07} the loss of this step is NaN, alas")
    expect(line).to_be_in_viewport()
    expect(page.get_by_text(f"{needle - 3:07} the loss")).to_be_visible()
    assert sum(reads) < 10 * MB
    page.get_by_role("switch", name="Follow the end").click()
    expect(page.get_by_text(f"{LINES - 1:07} the loss")).to_be_in_viewport()


def test_what_is_found_goes_on_while_the_log_grows(page, kept):
    run, write = kept
    text = "".join(f"step {number}: {'warn' if number % 100 == 0 else 'fine'}\n" for number in range(2000))
    write(text)
    starts = []

    def begun(request):
        if "/lines/" in request.url:
            starts.append(int(httpx.URL(request.url).params["start"]))

    page.on("request", begun)
    page.goto(f"/runs/{run.id}?tab=logs")
    page.get_by_role("textbox", name="Find in the log").fill("Warn")
    expect(page.get_by_text("20 lines found")).to_be_visible()
    write(text + "a last warning")
    expect(page.get_by_text("21 lines found")).to_be_visible()
    write(text + "a last warning\nwarn again\n")
    expect(page.get_by_text("22 lines found")).to_be_visible()
    expect(page.get_by_role("log", name="Lines found").get_by_role("button").last).to_have_text("2002warn again")
    assert starts[0] == 0
    assert set(starts[1:]) <= {0, len(text), len(text) + len("a last warning\nwarn again\n")}
    assert len(text) in starts
