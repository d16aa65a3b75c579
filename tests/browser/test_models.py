"""The registry in a real browser: gates are shown before anything changes, and going back takes two presses."""

from __future__ import annotations

import httpx
from playwright.sync_api import expect


def champion(site):
    """The version of `buyers` that is in Production."""
    return httpx.get(f"{site}/api/v1/models/buyers").json()["champion"]


def test_a_version_is_promoted_through_its_gates_and_rolled_back(page, site):
    page.goto("/models")
    page.get_by_role("button", name="Move version 2 of buyers").click()
    page.get_by_role("menuitem", name="Promote").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Every gate is passed")).to_be_visible()
    dialog.get_by_label("Reason").fill("knows more")
    dialog.get_by_role("button", name="Promote", exact=True).click()
    expect(dialog).to_have_count(0)
    assert champion(site) == 2
    page.get_by_role("button", name="Roll back", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert champion(site) == 1
    page.goto("/models/buyers")
    expect(page.get_by_text("knows more").first).to_be_visible()


def test_a_refusal_says_why_and_an_override_needs_a_reason(page, site):
    before = champion(site)
    page.goto("/models/buyers/3")
    page.get_by_role("button", name="Promote", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".gate-decision")).to_contain_text("A gate refuses")
    button = dialog.get_by_role("button", name="Promote against the gates")
    expect(button).to_be_disabled()
    dialog.get_by_role("switch").click()
    expect(button).to_be_disabled()
    dialog.get_by_label("Reason").fill("for the drill")
    expect(button).to_be_enabled()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert champion(site) == before


def test_a_drop_where_no_way_leads_says_why(page):
    page.goto("/models")
    version = page.get_by_role("article", name="Version 1 of buyers")
    version.drag_to(page.get_by_role("row").filter(has_text="buyers").get_by_role("cell").first)
    expect(page.get_by_text("No way leads from Production to None")).to_be_visible()
