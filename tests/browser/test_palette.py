"""Ctrl+K in a real browser: what is typed goes into the search, however long its code takes to come."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def hold_the_code(page):
    """Holds back the code of the search; the requests for it."""
    held = []

    def hold(route):
        held.append(route)

    page.route(re.compile(r"/assets/palette-.*\.js$"), hold)
    return held


def test_what_is_typed_right_after_ctrl_k_is_searched_for(page):
    held = hold_the_code(page)
    page.goto("/experiments/1")
    expect(page.locator(".run-link").first).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("basel", delay=0)
    waiting = page.get_by_role("dialog", name="Search and commands").get_by_role("combobox")
    expect(waiting).to_have_value("basel")
    assert "mode=" not in page.url  # none of them was a key of the page
    assert len(held) == 1
    held[0].continue_()
    expect(page.get_by_role("option", name="video-ranker-baseline")).to_be_visible()
    page.keyboard.type("ine", delay=0)
    expect(page.get_by_role("combobox", name="Search and commands")).to_have_value("baseline")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="video-ranker-baseline")).to_be_visible()


def test_the_search_that_waits_for_its_code_is_closed_by_escape_and_outlives_a_code_that_does_not_come(page):
    page.expected_errors = ["Failed to load resource", "net::ERR"]
    held = hold_the_code(page)
    page.goto("/experiments/1")
    expect(page.locator(".run-link").first).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("x1")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    held.pop().abort()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog").get_by_text("The search can\u2019t be loaded")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".run-link").first).to_be_visible()
