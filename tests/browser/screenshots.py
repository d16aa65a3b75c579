"""Pictures of every page, dark and light, as wide as a large screen and as narrow as a phone, and of what a new project shows.

`python tests/browser/screenshots.py [FOLDER [PAGE …]]`. They are build products, written to .screenshots/ or the folder that
is named. `python tests/browser/screenshots.py --docs` makes those of the README anew, in docs/images.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from browser.conftest import CHROMIUM  # noqa: E402 - found by the line above
from browser.pages import PAGES, addresses, settled  # noqa: E402
from browser.seed import seed  # noqa: E402
from servers.headrace import headrace_server  # noqa: E402

SIZES = {"large": (1920, 1080), "wide": (1440, 900), "narrow": (390, 844)}
EMPTY = ("home", "experiments", "models", "features", "lineage start", "audit")
README = {
    "web-experiments": ("seeded", "/experiments/{ranker}?q=metrics.auc > 0.8", (1440, 900)),
    "web-models": ("demo", "/models/video-ranker/2", (1440, 760)),
    "web-lineage": ("demo", "/lineage/view:ranking", (2040, 700)),
}
"""The pictures of the README: of the project that `headrace demo` makes, or a seeded one."""


def shoot(browser: Browser, site: str, pages: Mapping[str, str], folder: Path, prefix: str = "") -> None:
    """One picture a page, theme and size."""
    for size, (width, height) in SIZES.items():
        context = browser.new_context(base_url=site, viewport={"width": width, "height": height})
        page = context.new_page()
        page.set_default_timeout(60_000)
        for name, path in pages.items():
            page.emulate_media(color_scheme="light")
            page.goto(path)
            settled(page)
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                page.wait_for_timeout(250)  # what fades in has come
                page.screenshot(path=folder / f"{prefix}{name.replace(' ', '-')}-{size}-{theme}.png")
            if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
                sys.stderr.write(f"{prefix}{name} is wider than a window of {width}\n")
        context.close()


def shoot_for_readme(browser: Browser, place: Path) -> None:
    """Make the pictures of the README anew."""
    from PIL import Image

    seeded, demo = place / "seeded", place / "demo"
    seeded.mkdir()
    (seeded / "headrace.toml").touch()
    seed(seeded, runs=60, steps=200)
    subprocess.run([sys.executable, "-m", "headrace", "demo", str(demo)], check=True, stdout=subprocess.DEVNULL)
    with headrace_server(seeded, "--no-access-log") as ours, headrace_server(demo, "--no-access-log") as example:
        sites = {"seeded": ours, "demo": example}
        ids = {one["name"]: one["id"] for one in httpx.get(f"{ours}/api/v1/experiments").json()["experiments"]}
        for name, (project, path, (width, height)) in README.items():
            context = browser.new_context(base_url=sites[project], viewport={"width": width, "height": height})
            page = context.new_page()
            page.goto(path.format(ranker=ids["video-ranker"]))
            settled(page)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(500)  # what fades in has come
            file = ROOT / "docs" / "images" / f"{name}.png"
            page.screenshot(path=file)
            Image.open(file).quantize(256).save(file, optimize=True)
            sys.stdout.write(f"{file.relative_to(ROOT)}\n")
            context.close()


def main(arguments: Sequence[str]) -> None:
    """Write the pictures, of all pages or of those named after the folder; or those of the README."""
    if arguments == ["--docs"]:
        with sync_playwright() as playwright, tempfile.TemporaryDirectory() as place:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            shoot_for_readme(browser, Path(place))
            browser.close()
        return
    folder = Path(arguments[0]) if arguments else ROOT / ".screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as place:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        full, empty = Path(place, "full"), Path(place, "empty")
        for project in (full, empty):
            project.mkdir()
            (project / "headrace.toml").touch()
        seed(full, runs=24, steps=60)
        with headrace_server(full, "--no-access-log") as site:
            wanted = {name: path for name, path in addresses(site).items() if not arguments[1:] or name in arguments[1:]}
            shoot(browser, site, wanted, folder)
        if not arguments[1:]:
            with headrace_server(empty, "--no-access-log") as site:
                shoot(browser, site, {name: PAGES[name] for name in EMPTY}, folder, "empty-")
        browser.close()
    sys.stdout.write(f"{len(list(folder.glob('*.png')))} pictures in {folder}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
