"""Writes a model and what is known of it into a folder, ready to be kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from headrace.flavors.saving import infer_signature, save_model
from headrace.flavors.signature import to_frame
from headrace.tracking.rules import check_model_name
from headrace.tracking.run import LoggedModel, Run

__all__ = ["write_model"]

_EXAMPLE_ROWS = 20


def write_model(model: Any, folder: Path, *, run: Run, name: str, example: Any, serializer: str | None, now: int) -> LoggedModel:
    """Write the model's files, requirements, example and a description of them; returns what is known, its files still unlisted.

    Raises:
        UnsafeModelError, InvalidInputError: as `save_model` and `infer_signature` do, and for a name.
    """
    check_model_name(name)
    signature = infer_signature(model, example) if example is not None else None
    saved = save_model(model, folder, serializer)
    draft = LoggedModel(
        id=f"m-{os.urandom(16).hex()}",
        run_id=run.id,
        experiment_id=run.experiment_id,
        name=name,
        flavor=saved.flavor,
        serializer=saved.serializer,
        created=now,
        updated=now,
        signature=signature,
        requirements=saved.requirements,
        details=saved.details,
    )
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in saved.requirements), encoding="utf-8")
    (folder / "model.json").write_text(json.dumps(_description(draft), indent=2), encoding="utf-8")
    if example is not None:
        rows = to_frame(example).head(_EXAMPLE_ROWS)
        text = rows.to_json(orient="split", index=False, date_format="iso", default_handler=str)
        (folder / "example.json").write_text(str(text), encoding="utf-8")
    return draft


def _description(model: LoggedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "run_id": model.run_id,
        "name": model.name,
        "flavor": model.flavor,
        "serializer": model.serializer,
        "signature": model.signature.to_spec() if model.signature else None,
        "details": dict(model.details),
    }
