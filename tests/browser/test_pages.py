"""Every page opens in dark and in light without a fault, and without a barrier that axe finds.

Screenshots of them are kept where HEADRACE_SCREENSHOTS says.
"""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

PAGES = {
    "home": "/",
    "experiments": "/experiments",
    "experiment": "/experiments/1",
    "grouped": '/experiments/1?by=["params.optimizer"]&mode=charts',
    "scatter": "/experiments/1?mode=scatter",
    "parallel": "/experiments/1?mode=parallel",
    "importance": "/experiments/1?mode=importance",
    "run": "/runs/{run}",
    "charts": "/runs/{run}?tab=charts",
    "artifacts": "/runs/{run}?tab=artifacts",
    "compare": "/compare?runs={run},{other}",
    "models": "/models",
    "model": "/models/buyers",
    "version": "/models/buyers/1",
    "features": "/features",
    "lineage start": "/lineage",
    "lineage": "/lineage/models:/buyers@champion",
    "audit": "/audit",
    "settings": "/settings",
    "server": "/settings?part=server",
    "nowhere": "/nowhere",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_opens_without_a_fault(chromium, site, theme, tmp_path):
    runs = httpx.post(f"{site}/api/v1/runs/search", json={"experiments": ["1"], "limit": 2}).json()["runs"]
    folder = Path(os.environ.get("HEADRACE_SCREENSHOTS", tmp_path))
    context = chromium.new_context(base_url=site, viewport={"width": 1440, "height": 900}, color_scheme=theme)
    page = context.new_page()
    wrongs: list[str] = []
    page.on("pageerror", lambda error: wrongs.append(str(error)))
    page.on("console", lambda said: wrongs.append(f"{page.url}: {said.text}") if said.type == "error" else None)
    for name, path in PAGES.items():
        page.goto(path.format(run=runs[0]["id"], other=runs[1]["id"]))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("status", name="Loading")).to_have_count(0)
        assert page.get_by_role("alert").count() == 0, f"{name}: {page.get_by_role('alert').first.inner_text()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the window"
        barriers = Axe().run(page).response["violations"]
        assert [(name, fault["id"], fault["nodes"][0]["html"]) for fault in barriers] == []
        page.screenshot(path=folder / f"{name}-{theme}.png")
    context.close()
    assert wrongs == []
