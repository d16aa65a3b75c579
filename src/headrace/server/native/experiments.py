"""Experiments, the keys of their runs, and the runs nested in a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.clock import isoformat
from headrace.errors import InvalidInputError, NotFoundError
from headrace.server.endpoint import Operation
from headrace.server.http import Call, Reply, json_reply
from headrace.server.schema import Content, Field, Record, read_query
from headrace.tracking.overview import ExperimentFigures, RunHead
from headrace.tracking.rules import clean_tags
from headrace.tracking.run import ACTIVE, DELETED, NOTE_TAG

__all__ = [
    "CHILDREN",
    "CREATE",
    "EXPERIMENT",
    "EXPERIMENTS",
    "KEYS",
    "RUN_FACTS",
    "RUN_HEAD",
    "UPDATE",
    "VIEW",
    "checked_id",
    "checked_view",
    "told_head",
]

_VIEWS = ("active", "deleted", "all")
VIEW = Field("active, deleted or all.", default="active", choices=_VIEWS)

_EXPERIMENT = Record(
    "Experiment",
    {
        "id": Field("Its id."),
        "name": Field("Its name."),
        "lifecycle_stage": Field("active or deleted."),
        "created": Field("When it was made, RFC 3339."),
        "updated": Field("When it was renamed, deleted or restored, RFC 3339."),
        "artifact_location": Field("Where its runs' files are."),
        "note": Field("What it is about, Markdown."),
        "tags": Field("Its tags.", ("object",), of=Field("A value."), keyed=True),
        "runs": Field("How many active runs it has.", ("integer",)),
        "running": Field("How many of them run now.", ("integer",)),
        "failed": Field("How many of them failed.", ("integer",)),
        "latest": Field("When its newest run started, RFC 3339.", nullable=True),
    },
    whole=True,
)
_NEW = Record(
    "ExperimentNew",
    {
        "name": Field("Its name, which no other has.", required=True),
        "note": Field("What it is about, Markdown.", nullable=True),
        "tags": Field("Its tags.", ("object",), nullable=True, of=Field("A value."), keyed=True),
    },
)
_CHANGE = Record(
    "ExperimentUpdate",
    {
        "name": Field("A new name.", nullable=True),
        "note": Field("A new note, Markdown; empty to remove it.", nullable=True),
        "set": Field("Tags to set.", ("object",), nullable=True, of=Field("A value."), keyed=True),
        "remove": Field("Tags to remove; one that it lacks is passed over.", ("array",), nullable=True, of=Field("A key.")),
        "stage": Field("`deleted` hides it with its runs, `active` restores them.", nullable=True, choices=("active", "deleted")),
    },
)
_EXPERIMENTS = Record("Experiments", {"experiments": Field("Newest run first.", ("array",), of=_EXPERIMENT)}, whole=True)
_COUNTS = Field("How many runs have it.", ("integer",))
_KEYS = Record(
    "RunKeys",
    {
        "metrics": Field("Metric key to the number of runs that have it.", ("object",), of=_COUNTS, keyed=True),
        "params": Field("Param key to the number of runs that have it.", ("object",), of=_COUNTS, keyed=True),
        "tags": Field("Tag key to the number of runs that have it.", ("object",), of=_COUNTS, keyed=True),
        "exact": Field(
            "Whether every run was counted. Else keys that the newest runs lack may be missing, and the numbers are about right.",
            ("boolean",),
        ),
    },
    whole=True,
)
_KEYS_ASKED = {
    "search": Field("Only keys that have this text in them.", default=""),
    "limit": Field("At most so many of each kind, those that most runs have. Default: all.", ("integer",), nullable=True),
    "exact": Field(
        "`false`: where counting every run takes long, tell at once what the newest have. Ask again for all.",
        ("boolean",),
        default=True,
    ),
}
RUN_FACTS = {
    "id": Field("Its id."),
    "name": Field("Its name."),
    "experiment_id": Field("The experiment it is in."),
    "experiment": Field("That experiment's name."),
    "status": Field("How it stands.", choices=("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")),
    "state": Field(
        "Its status, or LOST: it should be running, and nothing was heard of it for a minute. It heals when data comes.",
        choices=("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED", "LOST"),
    ),
}
"""What every answer says of a run."""
RUN_HEAD = Record(
    "RunHead",
    {
        **RUN_FACTS,
        "start": Field("When it started, RFC 3339."),
        "end": Field("When it ended, RFC 3339.", nullable=True),
        "user": Field("Who started it."),
        "lifecycle_stage": Field("active or deleted."),
    },
    whole=True,
)
_CHILDREN = Record("RunChildren", {"runs": Field("Oldest first.", ("array",), of=RUN_HEAD)}, whole=True)


def _experiments(call: Call) -> Reply:
    """Every experiment with its runs in figures, the newest run first."""
    view = read_query(call.query, {"view": VIEW})["view"]
    return json_reply({"experiments": [_told(item) for item in call.store.overview.experiments(checked_view(view))]})


def _experiment(call: Call) -> Reply:
    """One experiment, deleted or not, with its runs in figures."""
    return json_reply(_one(call, call.path["experiment"]))


def _create(call: Call) -> Reply:
    """Make an experiment. 409 if the name is taken, by a deleted one too."""
    asked = _NEW.read(call.json())
    tags = {**(asked["tags"] or {}), **({NOTE_TAG: asked["note"]} if asked["note"] else {})}
    made = call.store.runs.create_experiment(asked["name"], tags)
    return json_reply(_one(call, made.id), 201)


def _update(call: Call) -> Reply:
    """Change an experiment: name, note, tags; delete or restore it together with its runs. A deleted one is restored first."""
    asked, runs = _CHANGE.read(call.json()), call.store.runs
    if asked["stage"] not in (None, ACTIVE, DELETED):
        msg = f"stage must be active or deleted, not {asked['stage']!r}"
        raise InvalidInputError(msg)
    held = runs.stores.experiments.get(checked_id(call.path["experiment"]))
    tags, gone = clean_tags(asked["set"] or {}), [str(key) for key in asked["remove"] or ()]
    if asked["note"]:
        tags |= clean_tags({NOTE_TAG: asked["note"]})
    elif asked["note"] is not None:
        gone.append(NOTE_TAG)
    if asked["stage"] == ACTIVE != held.lifecycle_stage:
        runs.recorder.set_experiment_stage(held.id, ACTIVE)
    if asked["name"] and asked["name"] != held.name:
        runs.recorder.rename_experiment(held.id, asked["name"])
    for key, value in tags.items():
        runs.recorder.tag_experiment(held.id, key, value)
    for key in gone:
        if key in held.tags:
            runs.stores.experiments.delete_tag(held.id, key)
    if asked["stage"] == DELETED != held.lifecycle_stage:
        runs.recorder.set_experiment_stage(held.id, DELETED)
    return json_reply(_one(call, held.id))


def _one(call: Call, experiment: str) -> dict[str, Any]:
    number = checked_id(experiment)
    for item in call.store.overview.experiments("all"):
        if item.experiment.id == number:
            return _told(item)
    msg = f"No experiment with id={number} exists; /api/v1/experiments lists them"
    raise NotFoundError(msg)


def _keys(call: Call) -> Reply:
    """What the active runs of an experiment have logged: keys of metrics, params and tags. Several ids are joined by commas."""
    asked = read_query(call.query, _KEYS_ASKED)
    if asked["limit"] is not None and asked["limit"] < 0:
        msg = f"limit must be 0 or more, not {asked['limit']}"
        raise InvalidInputError(msg)
    ids = [checked_id(item) for item in call.path["experiments"].split(",")]
    found = call.store.overview.keys(ids, exact=asked["exact"])
    kinds = {"metrics": found.metrics, "params": found.params, "tags": found.tags}
    return json_reply(
        {**{kind: _some(keys, asked["search"].lower(), asked["limit"]) for kind, keys in kinds.items()}, "exact": found.exact}
    )


def _some(keys: Mapping[str, int], sought: str, most: int | None) -> dict[str, int]:
    """The keys that have a text in them, sorted; of many, those that most runs have."""
    found = [(key, runs) for key, runs in keys.items() if sought in key.lower()]
    return dict(found if most is None else sorted(sorted(found, key=lambda item: -item[1])[:most]))


def _children(call: Call) -> Reply:
    """The runs nested in a run."""
    run_id = call.store.runs.resolve(call.path["run"])
    return json_reply({"runs": [told_head(head) for head in call.store.overview.children(run_id)]})


def told_head(run: RunHead) -> dict[str, Any]:
    """A run's head as JSON."""
    return {
        "id": run.id,
        "name": run.name,
        "experiment_id": run.experiment_id,
        "experiment": run.experiment,
        "status": run.status,
        "state": run.state,
        "start": isoformat(run.start),
        "end": None if run.end is None else isoformat(run.end),
        "user": run.user,
        "lifecycle_stage": run.lifecycle_stage,
    }


def _told(item: ExperimentFigures) -> dict[str, Any]:
    experiment = item.experiment
    return {
        "id": experiment.id,
        "name": experiment.name,
        "lifecycle_stage": experiment.lifecycle_stage,
        "created": isoformat(experiment.created),
        "updated": isoformat(experiment.updated),
        "artifact_location": experiment.artifact_location,
        "note": experiment.tags.get(NOTE_TAG, ""),
        "tags": dict(experiment.tags),
        "runs": item.runs,
        "running": item.running,
        "failed": item.failed,
        "latest": None if item.latest is None else isoformat(item.latest),
    }


def checked_view(view: str) -> Any:
    """The view itself. Raises InvalidInputError if there is none of that name."""
    if view not in _VIEWS:
        msg = f"view must be {', '.join(_VIEWS)}, not {view!r}"
        raise InvalidInputError(msg)
    return view


def checked_id(text: Any) -> str:
    """An experiment's id. Raises InvalidInputError for what can't be one."""
    if not isinstance(text, str) or not text.isdecimal() or len(text) > 18:
        msg = f"an experiment's id is a number, not {text!r}"
        raise InvalidInputError(msg)
    return text


EXPERIMENTS = Operation(_experiments, gives=(Content(record=_EXPERIMENTS),), query={"view": VIEW})
KEYS = Operation(_keys, gives=(Content(record=_KEYS),), query=_KEYS_ASKED)
CHILDREN = Operation(_children, gives=(Content(record=_CHILDREN),))
EXPERIMENT = Operation(_experiment, gives=(Content(record=_EXPERIMENT),))
CREATE = Operation(_create, takes=(Content(record=_NEW),), gives=(Content(record=_EXPERIMENT),))
UPDATE = Operation(_update, takes=(Content(record=_CHANGE),), gives=(Content(record=_EXPERIMENT),))
