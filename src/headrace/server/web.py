"""The web app at /: one page for every address that no other route serves, and its files under names that carry their hash."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path

from headrace.errors import NotFoundError
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.guard import is_loopback, name_of
from headrace.server.http import Call, Reply
from headrace.server.schema import Content

__all__ = ["ASSET", "ICON", "PAGE", "STATIC", "is_navigation", "page_headers", "release"]

STATIC = Path(__file__).parent / "static"
"""Where `make ui` puts the built app."""

HTML = "text/html; charset=utf-8"
NONCE = b"__HEADRACE_NONCE__"
RELEASE = b"__HEADRACE_RELEASE__"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": HTML,
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_UNBUILT = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Headrace</title>
<meta name="viewport" content="width=device-width"><style nonce="__HEADRACE_NONCE__">
:root{color-scheme:light dark}body{font:16px/1.6 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1.5rem}
code{background:color-mix(in srgb,currentColor 9%,transparent);padding:.15em .45em;border-radius:5px}h1{font-size:1.4rem}
</style><h1>The web app isn't built yet</h1><p>This server runs from a source checkout. Build the app once with</p>
<p><code>make ui</code></p><p>and reload this page. An installed package of Headrace has it built in.</p>
<p>Everything else works: the API is described at <a href="/docs">/docs</a>.</p></html>"""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the built app.

    Attributes:
        encoded: content encoding to the bytes in it, smallest first; what doesn't shrink has none.
    """

    media_type: str
    plain: bytes
    encoded: dict[str, bytes]


def page_headers(nonce: str, host: str = "") -> dict[str, str]:
    """What a browser may do on our pages: run and show what this server sent, and nothing from elsewhere.

    Only this server's pages may frame them; on one's own machine (`host` as the browser names us) also pages of that machine: its
    notebooks.
    """
    framed = "".join(f" http://{name}:*" for name in ("localhost", "127.0.0.1")) if is_loopback(name_of(host)) else ""
    policy = (
        "default-src 'none'",
        f"script-src 'self' 'nonce-{nonce}'",
        f"style-src 'self' 'nonce-{nonce}'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'self'",
        f"frame-ancestors 'self'{framed}",
    )
    return {
        "content-security-policy": "; ".join(policy),
        "cache-control": "no-cache",
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


@cache
def release() -> bytes:
    """Names the release and the build of its app: a tab that is older than the server learns so from any answer."""
    return f"{version('headrace')}+{hashlib.sha256(_index()).hexdigest()[:12]}".encode()


def is_navigation(method: str, path: str, accept: str) -> bool:
    """Whether a request that no route serves is a person's who opens an address of the app."""
    return method in ("GET", "HEAD") and "text/html" in accept and not path.startswith(("/api/", "/ajax-api/", "/assets/"))


def _page(call: Call) -> Reply:
    """The web app. It answers every address of the app; what to show there is found in the browser."""
    nonce = secrets.token_urlsafe(16)
    page = _index().replace(NONCE, nonce.encode()).replace(RELEASE, release())
    return Reply(page, media_type=HTML, headers=page_headers(nonce, call.headers.get("host", "")))


def _asset(call: Call) -> Reply:
    """A file of the web app. Its name carries the hash of what it holds, so it may be kept for ever."""
    name = call.path["file"]
    found = _assets(_stamp()).get(name)
    if found is None:
        msg = f"this release has no file {name!r}; reload the page, it is of another release"
        raise NotFoundError(msg)
    headers = {
        "cache-control": "public, max-age=31536000, immutable",
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff",
    }
    taken = {item.split(";")[0].strip() for item in call.headers.get("accept-encoding", "").split(",")}
    for encoding, body in found.encoded.items():
        if encoding in taken:
            return Reply(body, media_type=found.media_type, headers={**headers, "content-encoding": encoding})
    return Reply(found.plain, media_type=found.media_type, headers=headers)


def _icon(_call: Call) -> Reply:
    """The app's icon."""
    icon = STATIC / "favicon.svg"
    if not icon.exists():
        raise NotFoundError("the web app isn't built: run make ui")
    body = icon.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return Reply(body, media_type=_TYPES[".svg"], headers={"cache-control": "max-age=86400", "etag": etag})


def _index() -> bytes:
    index = STATIC / "index.html"
    return index.read_bytes() if index.exists() else _UNBUILT


def _stamp() -> int:
    """Changes when files of the app come or go: a build, or another release that was installed beneath this server."""
    folder = STATIC / "assets"
    return folder.stat().st_mtime_ns if folder.is_dir() else 0


@lru_cache(maxsize=1)
def _assets(_stamp: int) -> dict[str, Asset]:
    """Every file, read once a build: the app is a few hundred kilobytes, and nothing outside its folder can be asked for.

    The page itself is read from the disk each time: the files beside it have to be of the same build.
    """
    folder = STATIC / "assets"
    files = [file for file in folder.iterdir() if file.suffix in _TYPES] if folder.is_dir() else []
    return {file.name: _read(file) for file in files}


def _read(file: Path) -> Asset:
    smaller = {name: file.with_name(file.name + suffix) for name, suffix in _ENCODINGS}
    encoded = {name: path.read_bytes() for name, path in smaller.items() if path.exists()}
    return Asset(_TYPES[file.suffix], file.read_bytes(), encoded)


ASSET = Operation(_asset, gives=(Content("application/octet-stream"),))
ICON = Operation(_icon, gives=(Content("image/svg+xml"),))
PAGE = Endpoint("GET", "/", "", Operation(_page, gives=(Content(HTML),)))
