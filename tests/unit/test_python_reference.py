"""The page of the Python API is what the docstrings say."""

from __future__ import annotations

from pathlib import Path

from python_reference import render

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python.md"


def test_the_page_is_what_the_docstrings_say():
    text = PAGE.read_text(encoding="utf-8")
    assert text == render(), "make it anew: python tests/python_reference.py > docs/reference/python.md"
