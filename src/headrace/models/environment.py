"""What a version keeps of the software and the machine that its run ran on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from headrace.artifacts.store import ArtifactStore
from headrace.errors import HeadraceError, InvalidInputError

__all__ = ["environment_of", "image_facts", "is_image"]

ENVIRONMENT_FILE = "capture/environment.json"
_IMAGE = re.compile(r"[\w][\w.:/-]{0,255}(?:@(?P<digest>[a-z0-9]+:[0-9a-f]{32,128}))?")


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


def image_facts(image: str) -> dict[str, str]:
    """A container image as facts of an environment: `image`, and `image digest` if it is named by one.

    Raises:
        InvalidInputError: it can't be an image's name.
    """
    if not image:
        return {}
    found = _IMAGE.fullmatch(image)
    if found is None:
        msg = f"{image[:200]!r} can't name a container image; write for example ghcr.io/team/ranker:1.4@sha256:… or ranker:1.4"
        raise InvalidInputError(msg)
    return {"image": image, **({"image digest": found["digest"]} if found["digest"] else {})}


def is_image(text: str) -> bool:
    """Whether a text can name a container image."""
    return _IMAGE.fullmatch(text) is not None


def _told(facts: Mapping[str, Any]) -> dict[str, str]:
    image = str((facts.get("host") or {}).get("image") or "")
    host, variables = facts.get("host") or {}, facts.get("variables") or {}
    found = {
        "python": facts.get("python"),
        "implementation": facts.get("implementation"),
        "platform": facts.get("platform"),
        "host": host.get("host"),
        "cpu": host.get("cpu"),
        "threads": host.get("threads"),
        "memory": host.get("memory"),
        **(image_facts(image) if is_image(image) else {"image": image}),
        "container": host.get("container"),
        "container runtime": host.get("runtime"),
        **{f"variable {name}": value for name, value in variables.items()},
    }
    return {name: str(value) for name, value in found.items() if value}
