"""The reference page of the command line, made from the commands themselves: `python -m headrace.cli.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from headrace.cli.app import app

__all__ = ["render"]

_HEAD = """# The command line

<!-- Made by `python -m headrace.cli.reference`; a test compares. Change the commands, not this page. -->

{intro}

## Everywhere

| | |
|---|---|
| `--project DIR`, `-C DIR` | the project's folder or server; default: `HEADRACE_SERVER`, else the project here or above |
| `--json` | one JSON value on standard output and nothing else there; times are RFC 3339, a mistake is `{{"error": {{…}}}}` |
| `--help`, `-h` | what a command takes, with examples |
| `NO_COLOR` | set it for tables without colours; in a pipe they are plain text anyhow |

Answers go to standard output; progress and errors go to standard error.

| exit code | means |
|---|---|
| 0 | done |
| 1 | a negative answer: a gate refused, a training set differs, `plan --check` found changes, `doctor` found a fault |
| 2 | a mistake in what was asked: an unknown name, a bad argument, definitions with faults |
| 70 | a fault of Headrace; the message names the file with the traceback |
| 130 | stopped with Ctrl-C |
| 141 | nobody read the output to its end |
"""


def render() -> str:
    """The whole page as Markdown."""
    root: Any = typer.main.get_command(app)
    sections = [_HEAD.format(intro=_paragraphs(root.help))]
    for path, command in _commands(root, "headrace"):
        sections.append(_section(path, command))
    return "\n".join(sections)


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")


def _section(path: str, command: Any) -> str:
    depth = "##" if path.count(" ") == 1 else "###"
    lines = [f"{depth} `{path}`", "", _paragraphs(command.help)]
    if hasattr(command, "commands"):
        return "\n".join([*lines, ""])
    shown = [param for param in command.params if param.name not in ("project_", "json_")]
    if shown:
        lines += ["", "| | |", "|---|---|", *map(_row, shown)]
    examples = [line.strip() for line in (command.epilog or "").splitlines()[1:] if line.strip()]
    return "\n".join([*lines, "", "```sh", *examples, "```", ""])


def _row(param: Any) -> str:
    default = param.default if isinstance(param.default, str | int) and not isinstance(param.default, bool) else None
    told = f" Default: `{default}`." if default not in (None, "") and "Default:" not in param.help else ""
    return f"| `{_name(param)}` | {_escaped(param.help)}{told} |"


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        return _escaped(param.metavar or param.name.upper())
    options = ", ".join(sorted(param.opts, key=len, reverse=True))
    return _escaped(options if param.is_flag else f"{options} {param.metavar or param.name.upper()}")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _paragraphs(text: str) -> str:
    plain = text.replace(r"\[", "[")
    return "\n\n".join(" ".join(part.split()) for part in plain.split("\n\n"))


if __name__ == "__main__":
    sys.stdout.write(render())
