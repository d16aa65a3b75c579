"""Every page opens without a fault, within the window, and in dark and light without a barrier that axe finds."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from browser.pages import PAGES, addresses, settled

NAMES = list(PAGES)
ABOUT_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


@pytest.mark.parametrize("names", [NAMES[0::2], NAMES[1::2]], ids=["some", "the others"])
def test_every_page_opens_without_a_fault(chromium, site, names):
    known = addresses(site)
    context = chromium.new_context(base_url=site, viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    wrongs: list[str] = []
    page.on("pageerror", lambda error: wrongs.append(str(error)))
    page.on("console", lambda said: wrongs.append(f"{page.url}: {said.text}") if said.type == "error" else None)
    for name in names:
        page.emulate_media(color_scheme="light")
        page.goto(known[name])
        settled(page)
        told = [alert.inner_text() for alert in page.get_by_role("alert").all()]
        assert [text for text in told if "invalid literal" not in text] == [], name  # the seeded failure tells of itself
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the window"
        faults = Axe().run(page).response["violations"]
        page.emulate_media(color_scheme="dark")
        faults += Axe().run(page, options=ABOUT_COLOURS).response["violations"]
        assert [(name, fault["id"], fault["nodes"][0]["html"]) for fault in faults] == []
        page.set_viewport_size({"width": 700, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than a narrow window"
        page.set_viewport_size({"width": 1440, "height": 900})
    context.close()
    assert wrongs == []
