"""`headrace import feast`: from a registry of Feast to a module of definitions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from headrace.errors import ConflictError, InvalidInputError, StorageError
from headrace.importers.feast.module import write_module
from headrace.importers.report import ImportReport

__all__ = ["import_feast"]


def import_feast(
    target: str, output: Path, *, python: str | None = None, overwrite: bool = False, dry_run: bool = False
) -> tuple[ImportReport, str]:
    """Write the definitions of a Feast project as a module of ours; the report, and the module's text. Nothing is applied.

    Args:
        target: a Feast repository's folder, or the path or URL of a registry.
        output: the module to write, a .py file.
        python: an interpreter that has Feast. Default: this one.
        overwrite: also replace a module that says something else.

    Raises:
        InvalidInputError: the target holds no registry, or several projects.
        ConflictError: the module exists and says something else.
        StorageError: Feast isn't installed for that Python, or can't read the target.
    """
    told = _described(target, python or sys.executable)
    projects = told["projects"]
    if len(projects) != 1:
        names = ", ".join(project["name"] for project in projects) or "none"
        msg = f"{target} holds {len(projects)} projects ({names}), and one module is of one; name a repository's folder instead"
        raise InvalidInputError(msg)
    report = ImportReport(target, dry_run)
    text = write_module(projects[0], output.stem, report)
    held = output.read_text("utf-8") if output.is_file() else None
    if held == text:
        for outcomes in report.counts.values():
            outcomes["same"], outcomes["new"] = outcomes["new"], 0
    elif held is not None and not overwrite:
        msg = f"{output} exists and says something else; name another file with --output, or replace it with --overwrite"
        raise ConflictError(msg)
    elif not dry_run:
        _write(output, text)
    return report, text


def _described(target: str, python: str) -> dict[str, Any]:
    script = Path(__file__).with_name("described.py")
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-P", str(script), target]  # -P: this folder is called feast too
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)  # noqa: S603 - no shell
    except OSError as error:
        msg = f"{python} can't be started: {error.strerror}"
        raise StorageError(msg) from error
    if done.returncode != 0:
        reason = (done.stderr.strip() or "no reason told").splitlines()[-1]
        hint = "; name a Python that has Feast with --python" if "No module named 'feast'" in reason else ""
        msg = f"Feast can't read {target}: {reason}{hint}"
        raise StorageError(msg)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _write(output: Path, text: str) -> None:
    staged = output.with_name(f".{output.name}.new")
    try:
        staged.write_text(text, encoding="utf-8")
        staged.replace(output)
    except OSError as error:
        msg = f"{output} can't be written: {error.strerror}"
        raise StorageError(msg) from error
