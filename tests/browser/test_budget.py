"""What the built app weighs."""

from __future__ import annotations

import gzip
import json

import pytest

from headrace.server.web import STATIC

INITIAL_BYTES = 250_000
WHOLE_BYTES = 3_000_000


@pytest.fixture(scope="module")
def manifest():
    """The build's own list of files."""
    if not (STATIC / "manifest.json").exists():
        pytest.skip("the web app isn't built; run: make ui")
    return json.loads((STATIC / "manifest.json").read_text())


def test_what_every_page_loads_fits_in_250_kb(manifest):
    entry = next(name for name, item in manifest.items() if item.get("isEntry"))
    wanted, seen = [entry], set()
    while wanted:
        name = wanted.pop()
        if name not in seen:
            seen.add(name)
            wanted += manifest[name].get("imports", [])
    size = sum(len(gzip.compress((STATIC / manifest[name]["file"]).read_bytes(), 9)) for name in seen)
    assert size <= INITIAL_BYTES


def test_the_app_fits_in_3_mb(manifest):
    assert sum(file.stat().st_size for file in STATIC.rglob("*") if file.suffix not in (".br", ".gz")) <= WHOLE_BYTES


def test_every_text_is_compressed_beforehand(manifest):
    for file in (STATIC / "assets").iterdir():
        if file.suffix in (".js", ".css") and file.stat().st_size > 1000:
            assert gzip.decompress(file.with_name(f"{file.name}.gz").read_bytes()) == file.read_bytes()
            assert file.with_name(f"{file.name}.br").exists()
