"""The code in the README and the tutorials runs, in order, and prints what they say it prints."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from headrace.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "tutorials").glob("*.md")), ROOT / "docs" / "how-to" / "tracking.md"]
TEXTS = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "examples/video_recommender/README.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name != "cli.md"),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w./]+)\n")
COMMAND = re.compile(r"(?:`|^|\$ )headrace ((?:runs|models|features) [a-z]+|[a-z]+)", re.MULTILINE)
LINE = re.compile(r"^(?:\$ |ExecStart=\S*/)?(?:[A-Z_]+=\S* )*headrace (?P<line>[^&|\n]*)", re.MULTILINE)
SEPARATOR = "\x1e"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the text block right after it if that shows its output."""

    language: str
    text: str
    shown: str | None

    @property
    def file(self) -> str | None:
        """The name of the file that a block writes: one that begins with a comment naming it."""
        match = FILE.match(self.text)
        return match[1] if match and "." in match[1] else None


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    following = [*found[1:], None]
    return [
        Block(
            match[1],
            match[2],
            after[2] if after and after[1] == "text" and not text[match.end() : after.start()].strip() else None,
        )
        for match, after in zip(found, following, strict=True)
    ]


def run_blocks(page: Path, folder: Path) -> list[tuple[Block, str]]:
    """Write the files that a page shows, run its other Python blocks as one program; each block with what it printed."""
    blocks = blocks_of(page)
    for block in blocks:
        if block.file is not None:
            (folder / block.file).write_text(block.text, encoding="utf-8")
    program = [block for block in blocks if block.language == "python" and block.file is None]
    parts = [f"{block.text}\nprint({SEPARATOR!r}, end='', flush=True)\n" for block in program]
    (folder / "page.py").write_text("".join(parts), encoding="utf-8")
    done = subprocess.run([sys.executable, "page.py"], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{page.name}:\n{done.stdout}\n{done.stderr}"
    return list(zip(program, done.stdout.split(SEPARATOR), strict=False))


def matches(shown: str, printed: str) -> bool:
    """Whether the output is as shown; `…` stands for anything within a line, and blanks at the end of a line don't count."""
    lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
    expected = [line.rstrip() for line in shown.strip("\n").splitlines()]
    patterns = [".*".join(map(re.escape, line.split("…"))) for line in expected]
    return len(lines) == len(patterns) and all(re.fullmatch(p, line) for p, line in zip(patterns, lines, strict=True))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_blocks_run_and_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    """A reader who copies the blocks of a page into a new folder sees what the page shows."""
    for block, printed in run_blocks(page, tmp_path):
        if block.shown is not None:
            assert matches(block.shown, printed), (
                f"{page.name}\n{block.text}\nprinted:\n{printed}\nbut the page shows:\n{block.shown}"
            )


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file of this repository."""
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    """Every `headrace …` command that a page names is one that the command line has."""
    text = page.read_text(encoding="utf-8")
    commands = sorted({match[1] for match in COMMAND.finditer(text)})
    assert commands, f"{page.name} names no command"
    for command in commands:
        outcome = CliRunner().invoke(app, [*command.split(), "--help"])
        assert outcome.exit_code == 0, f"headrace {command}: {outcome.output}"


def understood(words: list[str]) -> None:
    """Read a command line as `headrace` does, and run nothing. Raises what it would tell its user."""
    context, command, name = None, typer.main.get_command(app), "headrace"
    while hasattr(command, "commands"):
        context = command.make_context(name, words, parent=context)
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
    command.make_context(name, words, parent=context)


def test_command_lines_of_all_pages_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verbs, options and the number of arguments are as the command line has them, in every line that a page shows."""
    lines = {
        (page.name, line["line"])
        for page in TEXTS
        for block in FENCE.finditer(page.read_text(encoding="utf-8"))
        for line in LINE.finditer(block[2])
    }
    assert len(lines) > 40
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.parquet").touch()
    faults = []
    for name, line in sorted(lines):
        try:
            understood(shlex.split(line, comments=True))
        except Exception as error:  # noqa: BLE001 - each fault is told
            faults.append(f"{name}: headrace {line}: {error}")
    assert faults == []
