"""Registered models and their versions in MLflow's shapes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from headrace.models.lifecycle import STAGES
from headrace.models.version import ModelVersion, RegisteredModel
from headrace.server.mlflow.artifacts_paths import SCHEME
from headrace.server.mlflow.wire import filled, millis, number, rendered

__all__ = ["latest_of", "model_shape", "name_of", "place_of", "version_shape"]

_PLAIN = re.compile(r"(?!x-)[A-Za-z0-9._-]+")


def model_shape(model: RegisteredModel, latest: Sequence[ModelVersion]) -> dict[str, Any]:
    """A RegisteredModel, with the newest version of each stage."""
    shape = {
        "name": model.name,
        "creation_timestamp": millis(model.created),
        "last_updated_timestamp": millis(model.updated),
        "description": model.description or None,
        "latest_versions": [version_shape(version) for version in latest],
        "tags": rendered(model.tags),
        "aliases": [{"alias": alias, "version": str(version)} for alias, version in sorted(model.aliases.items())],
    }
    return filled(shape)


def version_shape(version: ModelVersion) -> dict[str, Any]:
    """A ModelVersion."""
    shape = filled(
        {
            "name": version.name,
            "version": str(version.version),
            "creation_timestamp": millis(version.created),
            "last_updated_timestamp": millis(version.updated),
            "user_id": version.user or None,
            "current_stage": version.stage,
            "description": version.description,
            "source": version.source,
            "run_id": version.run_id,
            "status": "READY",
            "tags": rendered(version.tags),
            "run_link": version.link,
            "aliases": list(version.aliases),
            "model_id": version.model_id or None,
            "model_params": [{"name": key, "value": value} for key, value in version.origin.params.items()],
            "model_metrics": [{"key": key, "value": number(value)} for key, value in version.metrics.items()],
        }
    )
    if not version.model_id:  # MLflow tells them of logged models alone
        shape.pop("model_params", None)
        shape.pop("model_metrics", None)
    return shape


def latest_of(model: RegisteredModel, stages: Sequence[str] = STAGES) -> list[int]:
    """The newest version of each stage that has one."""
    newest: dict[str, int] = {}
    for version in model.lifecycle.versions:
        newest[model.lifecycle.stage_of(version)] = version
    if model.challenger is not None:
        newest["Staging"] = model.challenger
    return [newest[stage] for stage in stages if stage in newest]


def place_of(version: ModelVersion) -> str:
    """Where a client finds the files of a version: those that were registered, whatever becomes of the run."""
    if not version.files:
        return version.source
    key = version.name if _PLAIN.fullmatch(version.name) else f"x-{version.name.encode().hex()}"
    return f"{SCHEME}registry/{key}/{version.version}/artifacts"


def name_of(key: str) -> str | None:
    """The registered model that a part of such a place names; None if it names none."""
    if not key.startswith("x-"):
        return key
    try:
        return bytes.fromhex(key[2:]).decode()
    except ValueError:
        return None
