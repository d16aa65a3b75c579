"""Tells what a Feast registry holds, as JSON. Run by the Python that has Feast; imports nothing of Headrace.

PYTHON described.py REPO|REGISTRY
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("FEAST_USAGE", "False")

from feast import FeatureStore, RepoConfig

__all__ = ["main"]


def main(target: str) -> None:
    """Print the registry."""
    told: dict[str, Any] = {"projects": []}
    for store in _stores(target):
        told["projects"].append(
            {
                "name": store.project,
                "entities": [_entity(item) for item in store.list_entities()],
                "views": [_view(item, "view") for item in store.list_feature_views()],
                "streams": [_view(item, "stream") for item in store.list_stream_feature_views()],
                "on_demand": [{"name": item.name} for item in store.list_on_demand_feature_views()],
                "services": [_service(item) for item in store.list_feature_services()],
                "datasets": [item.name for item in store.list_saved_datasets()],
            }
        )
    sys.stdout.write(json.dumps(told) + "\n")


def _stores(target: str) -> list[FeatureStore]:
    if Path(target).is_dir():
        return [FeatureStore(repo_path=target)]
    first = _of_registry(target, "any")
    return [_of_registry(target, project.name) for project in first.list_projects()]


def _of_registry(target: str, project: str) -> FeatureStore:
    kind = (
        {"registry_type": "sql", "path": target}
        if "://" in target and not target.startswith(("s3:", "gs:"))
        else {"path": target}
    )
    return FeatureStore(
        config=RepoConfig(project=project, provider="local", registry=kind, online_store=None, entity_key_serialization_version=3)
    )


def _about(item: Any) -> dict[str, Any]:
    return {
        "name": item.name,
        "description": getattr(item, "description", "") or "",
        "owner": getattr(item, "owner", "") or "",
        "tags": dict(getattr(item, "tags", None) or {}),
    }


def _entity(item: Any) -> dict[str, Any]:
    return {**_about(item), "keys": [item.join_key], "type": str(item.value_type.name)}


def _view(item: Any, kind: str) -> dict[str, Any]:
    batch = item.batch_source
    return {
        **_about(item),
        "kind": kind,
        "entities": list(item.entities),
        "ttl": item.ttl.total_seconds() if item.ttl else 0,
        "keys": {column.name: str(column.dtype) for column in item.entity_columns},
        "features": {field.name: str(field.dtype) for field in item.features},
        "source": None
        if batch is None
        else {
            "name": batch.name,
            "kind": type(batch).__name__,
            "timestamp": batch.timestamp_field,
            "created": batch.created_timestamp_column,
            "mapping": dict(batch.field_mapping),
            "path": getattr(batch, "path", "") or getattr(batch, "table", "") or getattr(batch, "query", "") or "",
        },
    }


def _service(item: Any) -> dict[str, Any]:
    views = [
        {
            "name": view.name,
            "alias": view.name_alias or "",
            "features": [field.name for field in view.features],
            "keys": dict(view.join_key_map),
        }
        for view in item.feature_view_projections
    ]
    return {**_about(item), "views": views}


if __name__ == "__main__":
    main(sys.argv[1])
