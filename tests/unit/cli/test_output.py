"""One answer, printed for a person or for a program."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys

import pytest

from headrace.cli.output import Answer, Fields, Table, print_answer

ANSWER = Answer(
    {"rows": [1, 2]}, ["two runs", Table(("NAME", "AUC"), [("a", 0.5), ("longer", None)]), Fields([("run", "r1"), ("took", 3)])]
)


def printed(answer, *, as_json=False):
    stream = io.StringIO()
    print_answer(answer, stream, as_json=as_json)
    return stream.getvalue()


def test_without_a_terminal_tables_are_aligned_plain_text():
    assert printed(ANSWER) == "two runs\n\nNAME    AUC\na       0.5\nlonger    -\n\nrun   r1\ntook  3\n"


def test_wide_tables_are_never_cut_in_a_pipe():
    row = ("x" * 500, "y" * 500)
    assert "x" * 500 + "  " + "y" * 500 in printed(Answer(None, [Table(("A", "B"), [row])]))


def test_json_is_one_value_and_nothing_else():
    assert json.loads(printed(ANSWER, as_json=True)) == {"rows": [1, 2]}


def test_an_empty_table_says_what_to_do():
    assert printed(Answer([], [Table(("NAME",), [], empty="no runs yet")])) == "no runs yet\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, **environment):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "60", **environment}.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    print_answer(
        Answer(None, ["[bold]not markup[/]", Table(("RUN", "STATUS"), [("r1", "FAILED")]), Fields([("a", "[red]")])]),
        stream,
        as_json=False,
    )
    return stream.getvalue()


def test_a_terminal_gets_colours(monkeypatch):
    assert "\x1b[31mFAILED" in shown(monkeypatch)


def test_no_color_is_kept(monkeypatch):
    seen = shown(monkeypatch, NO_COLOR="1")
    assert "\x1b[3" not in seen
    assert "FAILED" in seen


def test_stored_text_is_never_taken_for_markup(monkeypatch):
    seen = shown(monkeypatch)
    assert "[bold]not markup[/]" in seen
    assert "[red]" in seen


def test_a_stream_that_is_not_utf8_gets_json_it_can_hold():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    print_answer(Answer({"name": "naïve 🎬…"}), stream, as_json=True)
    assert json.loads(stream.buffer.getvalue()) == {"name": "naïve 🎬…"}


@pytest.mark.parametrize("arguments", [["--help"], ["nosuch…"], ["-C", "no…folder", "runs", "list"], ["models", "--help"]])
def test_the_command_fails_at_no_encoding(arguments):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-c", "from headrace.cli import main; main()", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode in (0, 2)


def test_a_narrow_terminal_keeps_ids_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    rows = [("01a209807b09", "a name of many words", "2026-11-23 17:42:24")]
    stream = Terminal()
    print_answer(Answer(None, [Table(("RUN", "NAME", "STARTED (UTC)"), rows)]), stream, as_json=False)
    assert "01a209807b09" in stream.getvalue()
    assert max(len(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()) <= 40
