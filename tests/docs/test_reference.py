"""The reference leaves nothing out."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import headrace
from headrace import errors
from headrace.settings import Settings
from python_reference import INNER, SECTIONS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SOURCES = Path(__file__).parents[2] / "src" / "headrace"


def test_every_setting_has_an_entry():
    text = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    names = [field.name for field in fields(Settings) if field.name != "project"]
    assert [name for name in names if f"| `{name}` | `HEADRACE_{name.upper()}`" not in text] == []


def test_every_variable_of_the_environment_has_an_entry():
    text = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    sources = "".join(path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py"))
    ours = {"HEADRACE_PINNED_SETS", "HEADRACE_REPRODUCES"}  # what `headrace reproduce` tells the run that it starts
    named = set(re.findall(r"HEADRACE_[A-Z_]*[A-Z]\b", sources)) - ours
    assert len(named) > 5
    assert [name for name in sorted(named) if f"`{name}`" not in text] == []


def test_every_error_has_an_entry():
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    assert [name for name in errors.__all__ if name[0].isupper() and f"| `{name}` |" not in text] == []


def test_the_python_reference_has_every_public_name():
    told = {name.removeprefix("headrace.") for names in SECTIONS.values() for name in names}
    asked = [
        name for name in headrace.__all__ if name not in errors.__all__ and name not in ("Aggregation", "__version__", "expect")
    ]
    assert [name for name in asked if name not in told] == []
    assert [name for _, name in INNER if not hasattr(headrace.Store, name)] == []


def test_the_changelog_tells_of_each_thing_once():
    """A merge that keeps both sides of a rewritten list would tell of most things twice."""
    for release in (REFERENCE.parents[1] / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1:]:
        topics = re.findall(r"^- \*\*(.+?)\*\*", release, re.MULTILINE)
        assert [topic for topic in topics if topics.count(topic) > 1] == []
