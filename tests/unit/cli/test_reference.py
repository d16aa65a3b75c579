"""The reference page is what the commands say; each command says what it takes and shows how."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import typer

from headrace.cli.app import app
from headrace.cli.reference import render

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def commands(group, path="headrace"):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


VERBS = {
    "init",
    "demo",
    "plan",
    "apply",
    "write",
    "push",
    "materialize",
    "features",
    "runs",
    "models",
    "lineage",
    "doctor",
    "version",
}
COMMANDS = dict(commands(typer.main.get_command(app)))


def test_the_page_is_what_the_commands_say():
    assert PAGE.read_text(encoding="utf-8") == render(), "make it anew: python -m headrace.cli.reference > docs/reference/cli.md"


def test_every_verb_of_the_design_is_there():
    words = {path.split()[1] for path in COMMANDS}
    assert words >= VERBS


def test_help_names_an_extra_in_its_brackets(cli):
    assert "'headrace[plot]'" in " ".join(cli("runs", "plot", "--help").out.split())


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_explains_itself(path):
    command = COMMANDS[path]
    assert command.help
    assert all(param.help for param in command.params)
    assert {"--json", "--project", "-C"} <= {option for param in command.params for option in param.opts}


@pytest.mark.parametrize("path", COMMANDS)
def test_the_examples_of_a_command_use_options_that_it_has(path):
    command = COMMANDS[path]
    examples = [line.strip() for line in command.epilog.splitlines()[1:] if line.strip()]
    assert examples
    known = {option for param in command.params for option in param.opts}
    for example in examples:
        own = example[example.index("headrace ") :]
        assert own.startswith(path)
        assert {word for word in shlex.split(own) if word.startswith("-") and len(word) > 1} <= known
