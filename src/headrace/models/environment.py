"""What a version keeps of the software and the machine that its run ran on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from headrace.artifacts.store import ArtifactStore
from headrace.errors import HeadraceError

__all__ = ["environment_of"]

ENVIRONMENT_FILE = "capture/environment.json"


def environment_of(run_id: str, files: Callable[[str], Mapping[str, str]] | None, artifacts: ArtifactStore) -> dict[str, str]:
    """Python, platform, machine and container of a run, from the file that it captured; empty if it captured none."""
    digest = files(run_id).get(ENVIRONMENT_FILE) if files else None
    if digest is None:
        return {}
    try:
        facts = json.loads(artifacts.get_bytes(digest))
    except (HeadraceError, ValueError):
        return {}
    return _told(facts) if isinstance(facts, dict) else {}


def _told(facts: Mapping[str, Any]) -> dict[str, str]:
    host, variables = facts.get("host") or {}, facts.get("variables") or {}
    found = {
        "python": facts.get("python"),
        "implementation": facts.get("implementation"),
        "platform": facts.get("platform"),
        "host": host.get("host"),
        "cpu": host.get("cpu"),
        "threads": host.get("threads"),
        "memory": host.get("memory"),
        "image": host.get("image"),
        "container": host.get("container"),
        **{f"variable {name}": value for name, value in variables.items()},
    }
    return {name: str(value) for name, value in found.items() if value}
