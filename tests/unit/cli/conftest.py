"""A command line in this process: what it printed and its exit code."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from headrace.cli.entry import run


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


@pytest.fixture(scope="session")
def applied(tmp_path_factory):
    """The project that `headrace init` writes, applied; to copy from."""
    folder = tmp_path_factory.mktemp("applied")
    assert run(["init", str(folder)]) == run(["-C", str(folder), "apply"]) == 0
    sys.path.remove(str(folder))
    del sys.modules["definitions"]
    return folder


@pytest.fixture
def ready(applied, cli, project):
    """The project that `headrace init` writes, applied, to be in."""
    shutil.copytree(applied, project, dirs_exist_ok=True, ignore=shutil.ignore_patterns("online"))
    return project


@pytest.fixture
def cli(project, capsys):
    """Runs a command line in the project: `cli("runs", "list", code=0)` → Result; fails unless it exits with `code`."""

    def call(*arguments, code=0):
        capsys.readouterr()
        found = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        assert found == code, captured.err or captured.out
        return Result(found, captured.out, captured.err)

    return call
