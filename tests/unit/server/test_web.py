"""The web app's page and files: what a browser may do with them, and where they end."""

from __future__ import annotations

import os
import re

import pytest

from headrace.errors import NotFoundError
from headrace.server import web
from headrace.server.http import Call


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A folder as a build leaves it."""
    assets = tmp_path / "assets"
    assets.mkdir()
    (tmp_path / "index.html").write_text(
        '<script nonce="__HEADRACE_NONCE__" src="/assets/app-1.js"></script>__HEADRACE_RELEASE__'
    )
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (assets / "app-1.js").write_text("run()")
    (assets / "app-1.js.br").write_bytes(b"smallest")
    (assets / "app-1.js.gz").write_bytes(b"small")
    (tmp_path / "secret.txt").write_text("not for a browser")
    monkeypatch.setattr(web, "STATIC", tmp_path)
    web._assets.cache_clear()
    yield tmp_path
    web._assets.cache_clear()


def call(headers=None, **path):
    return Call(None, None, b"", path, b"", headers or {}, "request-1")


def page():
    return web.PAGE.operation.handler(call())


def test_a_page_runs_only_what_carries_its_own_nonce(built):
    first, second = page(), page()
    nonces = [re.search(rb'nonce="([^"]+)"', reply.body)[1].decode() for reply in (first, second)]
    assert nonces[0] != nonces[1]
    policy = first.headers["content-security-policy"]
    assert f"script-src 'self' 'nonce-{nonces[0]}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert b"__HEADRACE_" not in first.body


def test_the_smallest_encoding_that_a_browser_takes_is_sent(built):
    def sent(accepted):
        reply = web.ASSET.handler(call({"accept-encoding": accepted}, file="app-1.js"))
        return reply.body, reply.headers.get("content-encoding")

    assert sent("gzip, deflate, br;q=1") == (b"smallest", "br")
    assert sent("gzip") == (b"small", "gzip")
    assert sent("") == (b"run()", None)


def test_a_page_of_a_later_build_finds_its_files(built):
    with pytest.raises(NotFoundError):
        web.ASSET.handler(call(file="app-3.js"))
    before = (built / "assets").stat().st_mtime_ns
    (built / "assets" / "app-3.js").write_text("run(3)")
    (built / "assets" / "app-1.js").unlink()
    os.utime(built / "assets", ns=(before + 1_000_000, before + 1_000_000))  # whatever the clock of the disk ticks in
    assert web.ASSET.handler(call(file="app-3.js")).body == b"run(3)"
    with pytest.raises(NotFoundError):
        web.ASSET.handler(call(file="app-1.js"))


@pytest.mark.parametrize("name", ["app-2.js", "../secret.txt", "..", "app-1.js.br", ""])
def test_nothing_but_the_files_of_the_app_is_served(built, name):
    with pytest.raises(NotFoundError, match="reload the page"):
        web.ASSET.handler(call(file=name))


def test_a_checkout_without_a_build_says_how_to_build(tmp_path, monkeypatch):
    monkeypatch.setattr(web, "STATIC", tmp_path)
    reply = page()
    assert b"make ui" in reply.body
    assert reply.status == 200
    with pytest.raises(NotFoundError, match="make ui"):
        web.ICON.handler(call())


@pytest.mark.parametrize(
    ("method", "path", "accept", "expected"),
    [
        ("GET", "/runs/0123", "text/html,*/*", True),
        ("HEAD", "/lineage/models:/a/3", "text/html", True),
        ("GET", "/runs/0123", "application/json", False),
        ("GET", "/api/v1/nothing", "text/html", False),
        ("GET", "/assets/gone.js", "text/html", False),
        ("POST", "/runs/0123", "text/html", False),
    ],
)
def test_addresses_of_the_app_are_those_that_a_person_opens(method, path, accept, expected):
    assert web.is_navigation(method, path, accept) is expected
