"""Names with markup, scripts, emoji and right-to-left letters, long, on every page: text, and within its place."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.names import MARKUP, fill
from browser.pages import faults, settled, too_wide
from headrace.server.web import STATIC


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """The address of a server of such a project, and its pages by name."""
    from servers.headrace import headrace_server

    if not (STATIC / "index.html").exists():
        pytest.skip("the web app isn't built; run: make ui")
    folder = tmp_path_factory.mktemp("odd")
    (folder / "headrace.toml").touch()
    pages = fill(folder)
    with headrace_server(folder, "--no-access-log") as url:
        yield url, pages


@pytest.mark.parametrize("part", range(3))
def test_whatever_is_named_so_is_shown_as_text(chromium, odd, part):
    url, pages = odd
    context = chromium.new_context(base_url=url, viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    wrongs: list[object] = []
    page.on("pageerror", lambda error: wrongs.append(f"{page.url}: {error}"))
    page.on("dialog", lambda dialog: (wrongs.append(f"{page.url}: {dialog.message}"), dialog.dismiss()))
    for name in list(pages)[part::3]:
        page.goto(pages[name])
        settled(page)
        wrongs += [(name, wide) for wide in too_wide(page)]
        wrongs += [(name, fault) for fault in faults(page)]
        page.set_viewport_size({"width": 390, "height": 900})
        wrongs += [(name, "narrow", wide) for wide in too_wide(page)]
        page.set_viewport_size({"width": 1440, "height": 900})
        if page.evaluate("'broken' in window"):
            wrongs.append((name, f"ran script {page.evaluate('window.broken')}"))
    context.close()
    assert [str(wrong) for wrong in wrongs] == []


def test_what_is_typed_into_the_palette_is_text(chromium, odd):
    url, _ = odd
    context = chromium.new_context(base_url=url, viewport={"width": 700, "height": 900})
    page = context.new_page()
    page.goto("/")
    settled(page)
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill(MARKUP)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("option").first).to_contain_text("onerror")
    assert dialog.locator("img, script").count() == 0
    assert too_wide(page) == []
    assert not page.evaluate("'broken' in window")
    context.close()
