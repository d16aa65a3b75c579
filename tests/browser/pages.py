"""Every page of the app, as the tests open them and the pictures show them."""

from __future__ import annotations

import httpx
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, expect

__all__ = ["PAGES", "addresses", "faults", "is_wrong", "settled", "too_wide"]

PAGES = {
    "home": "/",
    "experiments": "/experiments",
    "experiment": "/experiments/1",
    "grouped": '/experiments/1?by=["params.optimizer"]&mode=charts',
    "smoothed": "/experiments/1?mode=charts&smooth=0.8&x=relative&usual=true",
    "scatter": "/experiments/1?mode=scatter",
    "parallel": "/experiments/1?mode=parallel",
    "importance": "/experiments/1?mode=importance",
    "odd runs": "/experiments/{odd}",
    "run": "/runs/{run}",
    "charts": "/runs/{run}?tab=charts",
    "logs": "/runs/{failed}?tab=logs",
    "artifacts": "/runs/{run}?tab=artifacts",
    "table": "/runs/{run}?tab=artifacts&file=reports/scores.csv",
    "compare": "/compare?runs={run},{other}",
    "compared charts": "/compare?runs={run},{other}&charts=true",
    "models": "/models",
    "model": "/models/buyers",
    "version": "/models/buyers/1",
    "features": "/features",
    "group": "/features/group/spending",
    "view": "/features/view/buying",
    "feature group": "/features/group/user_taste",
    "feature view": "/features/view/taste",
    "impact": "/lineage/source:ratings.stars?impact=true",
    "lineage start": "/lineage",
    "lineage": "/lineage/models:/buyers@champion",
    "lineage of features": "/lineage/view:buying",
    "audit": "/audit",
    "settings": "/settings",
    "users": "/settings?part=users",
    "webhooks": "/settings?part=webhooks",
    "server": "/settings?part=server",
    "nowhere": "/nowhere",
}

_ABOUT_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


def addresses(site: str) -> dict[str, str]:
    """The pages of a seeded project (seed.py), by name."""

    def search(**asked: object) -> list[dict[str, str]]:
        return httpx.post(f"{site}/api/v1/runs/search", json={"limit": 100, **asked}).json()["runs"]

    runs = [run["id"] for run in search(experiments=["1"])]
    failed = search(filter="attributes.status = 'FAILED'")[0]
    filed = next(run for run in runs if any(_is_report(file) for file in _files(site, run)))
    known = {
        "run": filed,
        "other": next(run for run in runs if run != filed),
        "failed": failed["id"],
        "odd": failed["experiment_id"],
    }
    return {name: path.format(**known) for name, path in PAGES.items()}


def settled(page: Page) -> None:
    """Wait until a page shows what it has."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("status", name="Loading")).to_have_count(0)


def is_wrong(said: ConsoleMessage) -> bool:
    """Whether a console tells of a fault: of an error, or that the page's head fetches a file that the page then can't use."""
    return said.type == "error" or "request credentials mode does not match" in said.text


def too_wide(page: Page) -> list[str]:
    """What is wider than its place: the page itself, or a part that isn't made to be scrolled across."""
    return page.evaluate(
        """() => {
        const parts = ['.main', '.page', '.page-head', '.page-body:not(:has(.board))', '.panel',
          '.panel > header', '.toolbar', '.actions', '.chart-options', '.dialog'].join();
        const wide = [...document.querySelectorAll(parts)].filter((part) => part.scrollWidth > part.clientWidth + 1);
        if (document.documentElement.scrollWidth > innerWidth) wide.push(document.documentElement);
        return wide.map((part) => `${part.localName}.${part.className} is ${part.scrollWidth} wide in ${part.clientWidth}`);
        }"""
    )


def faults(page: Page) -> list[tuple[str, str]]:
    """The barriers that axe finds in light, and of colours in dark: nothing else differs."""
    page.emulate_media(color_scheme="light")
    found = Axe().run(page).response["violations"]
    page.emulate_media(color_scheme="dark")
    found += Axe().run(page, options=_ABOUT_COLOURS).response["violations"]
    return [(fault["id"], fault["nodes"][0]["html"]) for fault in found]


def _files(site: str, run: str) -> list[dict[str, str]]:
    return httpx.get(f"{site}/api/v1/runs/{run}/files").json()["files"]


def _is_report(file: dict[str, str]) -> bool:
    return file["path"] == "reports/scores.csv"
