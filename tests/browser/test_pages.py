"""Every page opens without a fault, within the window, and in dark and light without a barrier that axe finds."""

from __future__ import annotations

import pytest

from browser.pages import PAGES, addresses, faults, is_wrong, settled, too_wide

NAMES = list(PAGES)


@pytest.mark.parametrize("names", [NAMES[0::2], NAMES[1::2]], ids=["some", "the others"])
def test_every_page_opens_without_a_fault(chromium, site, names):
    known = addresses(site)
    context = chromium.new_context(base_url=site, viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    wrongs: list[str] = []
    page.on("pageerror", lambda error: wrongs.append(str(error)))
    page.on("console", lambda said: wrongs.append(f"{page.url}: {said.text}") if is_wrong(said) else None)
    for name in names:
        page.goto(known[name])
        settled(page)
        told = [alert.inner_text() for alert in page.get_by_role("alert").all()]
        assert [text for text in told if "invalid literal" not in text] == [], name  # the seeded failure tells of itself
        assert [(name, wide) for wide in too_wide(page)] == []
        assert [(name, fault) for fault in faults(page)] == []
        page.set_viewport_size({"width": 390, "height": 900})
        assert [(name, "narrow", wide) for wide in too_wide(page)] == []
        page.set_viewport_size({"width": 1440, "height": 900})
    context.close()
    assert wrongs == []
