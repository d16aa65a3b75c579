"""Captures where a run came from, behind it, and keeps that as tags and files under `capture/`."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headrace.capture.environment import capture_environment
from headrace.capture.git import GitFacts, capture_git
from headrace.capture.host import capture_host
from headrace.capture.process import ProcessFacts
from headrace.tracking.client.guard import Guard
from headrace.tracking.client.writer import RunWriter
from headrace.tracking.run import PARENT_TAG

__all__ = ["DIFF_FILE", "ENVIRONMENT_FILE", "PACKAGES_FILE", "REPRODUCES", "REPRODUCES_TAG", "OriginCapture", "process_tags"]

ENVIRONMENT_FILE = "capture/environment.json"
PACKAGES_FILE = "capture/requirements.txt"
DIFF_FILE = "capture/code.diff"
REPRODUCES = "HEADRACE_REPRODUCES"
"""The variable that names the run which this process runs again."""
REPRODUCES_TAG = "headrace.reproduces"

_LONGEST_WAIT = 60.0
_HURRIED_WAIT = 2.0
_MOST_SKIPPED = 50


def process_tags(process: ProcessFacts, user: str) -> dict[str, str]:
    """What is known at once, as the tags that MLflow's tools read."""
    kind = "NOTEBOOK" if process.entry == "notebook" else "LOCAL"
    again = os.environ.get(REPRODUCES, "")
    return {
        "mlflow.user": user,
        "mlflow.source.name": process.source or process.entry,
        "mlflow.source.type": kind,
        **({REPRODUCES_TAG: again, PARENT_TAG: again} if again else {}),
    }


class OriginCapture:
    """One capture in a thread of its own. The run starts without waiting for it and ends with it."""

    def __init__(self, writer: RunWriter, process: ProcessFacts, guard: Guard) -> None:
        self._writer = writer
        self._run_id = run_id = writer.run_id
        self._process = process
        self._guard = guard
        self._thread = threading.Thread(target=self._run, name=f"headrace-capture-{run_id[-6:]}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self, *, hurry: bool = False) -> None:
        """Wait until it is done, at most a minute; in a hurry, at most two seconds."""
        longest = _HURRIED_WAIT if hurry else _LONGEST_WAIT
        self._thread.join(longest)
        if self._thread.is_alive():
            self._guard.warn("capture", f"the origin of run {self._run_id} wasn't captured in {longest:.0f} s; it is incomplete")

    def _run(self) -> None:
        with self._guard("the run's origin"):
            self._software()
        with self._guard("the code's state"):
            self._code()

    def _software(self) -> None:
        environment = capture_environment()
        facts: dict[str, Any] = asdict(environment)
        del facts["packages"]
        facts |= {"process": asdict(self._process), "host": asdict(capture_host())}
        text = json.dumps(facts, indent=2)
        self._writer.put_files({ENVIRONMENT_FILE: text.encode(), PACKAGES_FILE: environment.requirements.encode()})

    def _code(self) -> None:
        folder = Path(self._process.source).parent if self._process.entry == "script" else Path(self._process.folder)
        facts = capture_git(folder) or capture_git(Path(self._process.folder))
        if facts is None:
            return
        self._writer.put("tags", _git_tags(facts))
        if facts.diff:
            self._writer.put_files({DIFF_FILE: facts.diff.encode("utf-8", "surrogateescape")})


def _git_tags(facts: GitFacts) -> dict[str, str]:
    tags = {
        "mlflow.source.git.commit": facts.commit,
        "mlflow.source.git.branch": facts.branch,
        "mlflow.source.git.repoURL": facts.remote,
        "headrace.git.root": facts.root,
        "headrace.git.dirty": str(facts.dirty).lower(),
        "headrace.git.skipped": json.dumps(facts.skipped[:_MOST_SKIPPED]) if facts.skipped else "",
        "headrace.git.redacted": "true" if facts.redacted else "",
    }
    return {key: value for key, value in tags.items() if value}
