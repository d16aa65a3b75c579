"""Runs in full, and what a person changes on many at once: tags, notes, deletion and its undoing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from headrace.clock import isoformat
from headrace.definitions.plain import plain
from headrace.errors import ConflictError, InvalidInputError, NotFoundError
from headrace.server.columns import dumps
from headrace.server.endpoint import Operation
from headrace.server.http import JSON, Call, Reply, json_reply
from headrace.server.native.experiments import RUN_FACTS
from headrace.server.schema import Content, Field, Record
from headrace.tracking.client.origin import DIFF_FILE, ENVIRONMENT_FILE
from headrace.tracking.overview import ARCHIVED_TAG, Extremes, goal_of
from headrace.tracking.rules import clean_tags
from headrace.tracking.run import ACTIVE, DELETED, NOTE_TAG, ArtifactEntry, DatasetInput, LoggedModel, Run

__all__ = ["GET", "MANY", "UPDATE", "config_tree"]

MOST_RUNS = 1000
LARGEST_ENVIRONMENT = 1 << 20

_METRIC = Record(
    "RunMetric",
    {
        "value": Field("The latest value; NaN, Infinity and -Infinity as texts.", ("number", "string")),
        "step": Field("Its step.", ("integer",)),
        "time": Field("When it was measured, RFC 3339."),
        "count": Field("How many points there are.", ("integer",)),
        "low": Field("The lowest value.", ("number", "string")),
        "low_step": Field("The first step that had it.", ("integer",), nullable=True),
        "high": Field("The highest value.", ("number", "string")),
        "high_step": Field("The first step that had it.", ("integer",), nullable=True),
        "goal": Field("Which of them is best, guessed by its name.", choices=("min", "max")),
    },
    whole=True,
)
_INPUT = Record(
    "RunInput",
    {
        "name": Field("Its name."),
        "digest": Field("Hash of its content."),
        "context": Field("What it was for."),
        "source_type": Field("Where it came from: of what kind."),
        "source": Field("Where it came from."),
        "schema": Field("The columns, JSON text."),
        "profile": Field("Figures, JSON text."),
        "urn": Field("Its name in the lineage; empty if it has none."),
    },
    whole=True,
)
_MODEL = Record(
    "RunModel",
    {
        "id": Field("Its id."),
        "name": Field("Its name."),
        "flavor": Field("How it was saved."),
        "view": Field("The feature view that it reads; empty if none was named."),
        "size": Field("Bytes of its files.", ("integer",)),
        "created": Field("When, RFC 3339."),
        "urn": Field("Its name in the lineage."),
    },
    whole=True,
)
_CODE = Record(
    "RunCode",
    {
        "commit": Field("The commit it ran on.", nullable=True),
        "branch": Field("The branch.", nullable=True),
        "repository": Field("Where the repository is.", nullable=True),
        "source": Field("The script, notebook or module.", nullable=True),
        "dirty": Field("Whether there were changes that weren't committed.", ("boolean",)),
        "diff": Field("The file of the run that has those changes.", nullable=True),
    },
    whole=True,
)
_FILES = Record(
    "RunFileTotals",
    {"count": Field("How many files it has.", ("integer",)), "bytes": Field("Their size.", ("integer",))},
    whole=True,
)
_RUN = Record(
    "Run",
    {
        **RUN_FACTS,
        "seen": Field("When a process that writes it was last heard of, RFC 3339; null if none says so.", nullable=True),
        "start": Field("When it started, RFC 3339."),
        "end": Field("When it ended, RFC 3339.", nullable=True),
        "user": Field("Who started it."),
        "lifecycle_stage": Field("active or deleted."),
        "parent": Field("The run that it is nested in.", nullable=True),
        "urn": Field("Its name in the lineage."),
        "params": Field("Its params.", ("object",), of=Field("A value."), keyed=True),
        "tags": Field("Its tags.", ("object",), of=Field("A value."), keyed=True),
        "metrics": Field("Its metrics: the latest point and the extent of each.", ("object",), of=_METRIC, keyed=True),
        "inputs": Field("The data that it read.", ("array",), of=_INPUT),
        "models": Field("The models that it logged.", ("array",), of=_MODEL),
        "note": Field("What somebody wrote about it, Markdown."),
        "archived": Field("Whether it was archived.", ("boolean",)),
        "duration": Field("Seconds from start to end; null while it runs.", ("number",), nullable=True),
        "config": Field("Its params as a tree: `model.depth` and `model/depth` are depth in model.", ("object",)),
        "code": Field("The code it ran.", ("object",), of=_CODE),
        "environment": Field(
            "Python, platform, variables, process and host, as they were captured.",
            ("object",),
            nullable=True,
        ),
        "packages": Field("Package to version.", ("object",), of=Field("A version."), keyed=True),
        "files": Field("Its files in figures.", ("object",), of=_FILES),
        "children": Field("How many active runs are nested in it.", ("integer",)),
    },
    whole=True,
)
_IDS = Field("Ids of runs.", ("array",), required=True, of=Field("An id."))
_ASKED = Record("RunsQuery", {"runs": _IDS})
_MANY = Record("Runs", {"runs": Field("In the order that was asked for.", ("array",), of=_RUN)}, whole=True)
_UPDATE = Record(
    "RunsUpdate",
    {
        "runs": _IDS,
        "name": Field("A new name.", nullable=True),
        "note": Field("A new note, Markdown; empty to remove it.", nullable=True),
        "set": Field("Tags to set.", ("object",), nullable=True, of=Field("A value."), keyed=True),
        "remove": Field("Tags to remove; a run that lacks one is left as it is.", ("array",), nullable=True, of=Field("A key.")),
        "archived": Field("Archive them, or bring them back.", ("boolean",), nullable=True),
        "stage": Field("`deleted` hides them, `active` restores them.", nullable=True, choices=("active", "deleted")),
    },
)
_CHANGED = Record("RunsChanged", {"runs": Field("How many.", ("integer",))}, whole=True)


def _get(call: Call) -> Reply:
    """One run, deleted or not, by its id or the start of it."""
    run = call.store.runs.get(call.path["run"])
    return Reply(dumps(_told(call, run)), media_type=JSON)


def _many(call: Call) -> Reply:
    """Several runs in full, to compare them."""
    ids = _ids(_ASKED.read(call.json())["runs"])
    return Reply(dumps({"runs": [_told(call, call.store.runs.get(run_id)) for run_id in ids]}), media_type=JSON)


def _update(call: Call) -> Reply:
    """Change several runs: name, note, tags; archive, delete or restore them. All are checked before the first is changed.

    Deleted runs can only be restored; that comes first. What was done can be undone with another update.
    """
    asked, runs = _UPDATE.read(call.json()), call.store.runs
    if asked["stage"] not in (None, "active", "deleted"):
        msg = f"stage must be active or deleted, not {asked['stage']!r}"
        raise InvalidInputError(msg)
    held = [runs.get(run_id) for run_id in _ids(asked["runs"])]
    tags, gone = clean_tags(asked["set"] or {}), [str(key) for key in asked["remove"] or ()]
    for value, key in ((asked["note"], NOTE_TAG), ({True: "true", False: ""}.get(asked["archived"]), ARCHIVED_TAG)):
        if value:
            tags |= clean_tags({key: value})
        elif value is not None:
            gone.append(key)
    changes = bool(asked["name"] or tags or gone)
    for run in held:
        if run.lifecycle_stage != ACTIVE and changes and asked["stage"] != ACTIVE:
            msg = f"the run {run.id} is deleted; restore it first, with stage: active"
            raise ConflictError(msg)
    for run in held:
        _change(call, run, asked["name"], tags, gone, asked["stage"])
    return json_reply({"runs": len(held)})


def _change(call: Call, run: Run, name: str | None, tags: Mapping[str, str], gone: Sequence[str], stage: str | None) -> None:
    runs = call.store.runs
    if stage == ACTIVE:
        runs.restore(run.id)
    if name:
        runs.recorder.update(run.id, name=name)
    if tags:
        runs.recorder.log(run.id, tags=tags)
    for key in gone:
        if key in run.tags:
            runs.delete_tag(run.id, key)
    if stage == DELETED:
        runs.delete(run.id)


def _ids(given: Sequence[Any]) -> list[str]:
    if len(given) > MOST_RUNS or not all(isinstance(item, str) for item in given):
        msg = f"give at most {MOST_RUNS} ids of runs, as texts"
        raise InvalidInputError(msg)
    return list(given)


def _told(call: Call, run: Run) -> dict[str, Any]:
    extremes = call.store.overview.extremes(run.id)
    files = call.store.runs.artifacts(run.id)
    return {
        "id": run.id,
        "name": run.name,
        "experiment_id": run.experiment_id,
        "experiment": run.experiment,
        "status": run.status,
        "state": run.state(),
        "seen": None if run.seen is None else isoformat(run.seen),
        "start": isoformat(run.start),
        "end": None if run.end is None else isoformat(run.end),
        "user": run.user,
        "lifecycle_stage": run.lifecycle_stage,
        "parent": run.parent,
        "urn": run.urn,
        "params": dict(run.params),
        "tags": dict(run.tags),
        "metrics": {key: _metric(run, key, extremes.get(key)) for key in sorted(run.latest)},
        "inputs": [_input(item) for item in run.inputs],
        "models": [_model(item) for item in call.store.runs.models(run.id)],
        "note": run.tags.get(NOTE_TAG, ""),
        "archived": ARCHIVED_TAG in run.tags,
        "duration": run.duration,
        "config": config_tree(run.params),
        "code": _code(run, {file.path for file in files}),
        "environment": _environment(call, run, files),
        "packages": call.store.runs.packages(run.id),
        "files": {"count": len(files), "bytes": sum(file.size for file in files)},
        "children": len(call.store.overview.children(run.id)),
    }


def config_tree(params: Mapping[str, str]) -> dict[str, Any]:
    """Params as a tree: dots and slashes lead inwards. A param that others are in stands among them under an empty name."""
    tree: dict[str, Any] = {}
    for key, value in sorted(params.items()):
        *folders, name = key.replace("/", ".").split(".")
        place: Any = tree
        for folder in folders:
            inner = place.setdefault(folder, {})
            if not isinstance(inner, dict):
                inner = place[folder] = {"": inner}
            place = inner
        if isinstance(place.get(name), dict):
            place[name][""] = value
        else:
            place[name] = value
    return tree


def _code(run: Run, files: set[str]) -> dict[str, Any]:
    tags = run.tags
    return {
        "commit": tags.get("mlflow.source.git.commit"),
        "branch": tags.get("mlflow.source.git.branch"),
        "repository": tags.get("mlflow.source.git.repoURL"),
        "source": tags.get("mlflow.source.name"),
        "dirty": tags.get("headrace.git.dirty") == "true",
        "diff": DIFF_FILE if DIFF_FILE in files else None,
    }


def _environment(call: Call, run: Run, files: Sequence[ArtifactEntry]) -> Any:
    """What was captured of the environment; None if nothing was, or if somebody put something else there."""
    entry = next((file for file in files if file.path == ENVIRONMENT_FILE), None)
    if entry is None or entry.size > LARGEST_ENVIRONMENT:
        return None
    try:
        found = json.loads(call.store.runs.read_artifact(run.id, ENVIRONMENT_FILE))
    except (ValueError, NotFoundError):
        return None
    return plain(found) if isinstance(found, dict) else None


def _metric(run: Run, key: str, found: Extremes | None) -> dict[str, Any]:
    point = run.latest[key]
    extremes = found or Extremes(1, point.value, point.step, point.value, point.step)  # logged between two reads
    return {
        "value": plain(point.value),
        "step": point.step,
        "time": _time(point.time),
        "count": extremes.count,
        "low": plain(extremes.low),
        "low_step": extremes.low_step,
        "high": plain(extremes.high),
        "high_step": extremes.high_step,
        "goal": goal_of(key),
    }


_time = lru_cache(10_000)(isoformat)
"""Metrics are logged together: thousands have one time."""


def _input(item: DatasetInput) -> dict[str, str]:
    names = ("name", "digest", "context", "source_type", "source", "schema", "profile", "urn")
    return {name: getattr(item, name) for name in names}


def _model(model: LoggedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "flavor": model.flavor,
        "view": model.view,
        "size": model.size,
        "created": isoformat(model.created),
        "urn": model.urn,
    }


GET = Operation(_get, gives=(Content(record=_RUN),))
MANY = Operation(_many, takes=(Content(record=_ASKED),), gives=(Content(record=_MANY),))
UPDATE = Operation(_update, takes=(Content(record=_UPDATE),), gives=(Content(record=_CHANGED),))
