"""A real Chromium before a real server of a project that others have worked in."""

from __future__ import annotations

import os
import shutil

import pytest

from browser.pages import is_wrong
from headrace.server.web import STATIC

PATIENCE = 30_000
"""Milliseconds that a page may take on a loaded machine."""
CHROMIUM = os.environ.get("HEADRACE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The address of a server of a seeded project."""
    if not (STATIC / "index.html").exists():
        pytest.skip("the web app isn't built; run: make ui")
    from browser.seed import seed
    from servers.headrace import headrace_server

    folder = tmp_path_factory.mktemp("site")
    seed(folder, runs=24, steps=60)
    with headrace_server(folder, "--no-access-log") as url:
        yield url


@pytest.fixture(scope="module")
def chromium():
    """The system's Chromium, without a window. Not of the session: while it is open an event loop runs in this thread."""
    if not CHROMIUM:
        pytest.skip("there is no chromium on this machine; make test installs it")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, site):
    """A tab in a fresh profile; whatever goes wrong in it fails the test."""
    context = chromium.new_context(base_url=site, viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    wrongs = []
    tab.on("pageerror", lambda error: wrongs.append(str(error)))
    tab.on("console", lambda said: wrongs.append(said.text) if is_wrong(said) else None)
    yield tab
    context.close()
    expected = getattr(tab, "expected_errors", ())
    assert [wrong for wrong in wrongs if not any(text in wrong for text in expected)] == []
