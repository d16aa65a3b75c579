"""The registry for the app: the board of all models, one model with its versions and history, gates, moves and rollback."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from headrace.clock import isoformat, to_micros
from headrace.definitions.plain import parse_time, plain
from headrace.errors import IntegrityError, InvalidInputError
from headrace.models.audit import AuditEntry
from headrace.models.conditions import rules
from headrace.models.gates import Evaluation, GateReport
from headrace.models.version import ModelVersion, RegisteredModel
from headrace.server.columns import dumps
from headrace.server.endpoint import Operation
from headrace.server.http import JSON, Call, Reply
from headrace.server.schema import Content, Field, Record, read_query

__all__ = [
    "AUDIT",
    "BOARD",
    "GATES",
    "HISTORY",
    "MODEL",
    "MOVE",
    "REPORT",
    "ROLLBACK",
    "VERIFY",
    "told_report",
    "version_number",
]

STAGES = ("None", "Staging", "Production", "Archived")
MOST_ENTRIES = 5000
_AUDIT_QUERY = {
    "limit": Field(f"Entries at most, up to {MOST_ENTRIES}.", ("integer",), default=500),
    "until": Field("Only entries of this moment and before, RFC 3339: the oldest one of a page, to go on from there."),
    "user": Field("Only entries of this user."),
}
_TEXTS = Field("Its tags.", ("object",), of=Field("A value."), keyed=True)
_NUMBERS = Field("Key to value; what is no number as text.", ("object",), of=Field("A value.", ("number", "string")), keyed=True)
_NUMBER = Field("A figure.", ("number", "string"), nullable=True)

_GATE = Record(
    "Gate",
    {
        "metric": Field("The figure."),
        "rule": Field("What is asked, in words."),
    },
    whole=True,
)
_CONDITION = Record(
    "GateCondition",
    {
        "metric": Field("The figure."),
        "rule": Field("What is asked, in words."),
        "figure": _NUMBER,
        "threshold": _NUMBER,
        "champion": _NUMBER,
        "dataset": Field("The data both were measured on; empty if none."),
        "passed": Field("The decision.", ("boolean",)),
        "explanation": Field("Why, and what to do if it failed."),
        "confidence": Field("How sure to be that was asked for.", ("number",), nullable=True),
        "low": Field("The least that the improvement is, with that confidence.", ("number", "string"), nullable=True),
        "high": Field("The most.", ("number", "string"), nullable=True),
    },
    whole=True,
)
REPORT = Record(
    "GateReport",
    {
        "name": Field("The model."),
        "version": Field("The candidate.", ("integer",)),
        "champion": Field("The version in Production then.", ("integer",), nullable=True),
        "conditions": Field("Each condition with its figures.", ("array",), of=_CONDITION),
        "passed": Field("Whether every condition holds.", ("boolean",)),
        "forced": Field("Promoted although a condition failed.", ("boolean",)),
        "note": Field("What else there is to say."),
        "time": Field("When, RFC 3339.", nullable=True),
    },
    whole=True,
)
_EVALUATION = Record(
    "ModelEvaluation",
    {
        "dataset": Field("What people call the data."),
        "fingerprint": Field("Hash of the data."),
        "label": Field("The column that held the truth."),
        "rows": Field("Rows that were predicted.", ("integer",)),
        "figures": _NUMBERS,
        "user": Field("Who measured."),
        "time": Field("When, RFC 3339."),
    },
    whole=True,
)
_FILE = Record(
    "ModelFile", {"path": Field("Its path."), "digest": Field("SHA-256."), "size": Field("Bytes.", ("integer",))}, whole=True
)
_COLUMN = Record("ModelColumn", {"name": Field("Its name."), "type": Field("Its type.")}, whole=True)
_VERSION = Record(
    "ModelVersion",
    {
        "version": Field("Its number.", ("integer",)),
        "stage": Field("Where it stands.", choices=STAGES),
        "aliases": Field("Aliases that name it.", ("array",), of=Field("An alias.")),
        "run_id": Field("The run it came from; may be empty."),
        "model_id": Field("The logged model; may be empty."),
        "flavor": Field("How it was saved."),
        "view": Field("The feature view version that it reads; empty if none."),
        "inputs": Field("The columns it takes.", ("array",), of=_COLUMN),
        "outputs": Field("The columns it gives.", ("array",), of=_COLUMN),
        "files": Field("Its files.", ("array",), of=_FILE),
        "size": Field("Bytes of all files.", ("integer",)),
        "requirements": Field("Packages that loading needs.", ("array",), of=Field("A requirement.")),
        "user": Field("Who registered it."),
        "created": Field("When, RFC 3339."),
        "description": Field("Free text."),
        "tags": _TEXTS,
        "owner": Field("Who answers for it; empty if nobody was named."),
        "environment": Field("What its run ran on.", ("object",), of=Field("A value."), keyed=True),
        "metrics": _NUMBERS,
        "params": Field("The source run's params.", ("object",), of=Field("A value."), keyed=True),
        "evaluations": Field("What was measured on it, oldest first.", ("array",), of=_EVALUATION),
        "card": Field("What people wrote of it, Markdown; empty if nothing."),
        "reigned": Field("Whether it was in Production before, so that it can be gone back to.", ("boolean",)),
    },
    whole=True,
)
_MODEL_FIELDS = {
    "name": Field("Its name."),
    "description": Field("Free text."),
    "tags": _TEXTS,
    "owner": Field("Who answers for it; empty if nobody was named."),
    "created": Field("When, RFC 3339."),
    "updated": Field("When, RFC 3339."),
    "gates": Field("What a version must meet to reach Production.", ("array",), of=_GATE),
    "champion": Field("The version in Production.", ("integer",), nullable=True),
    "previous": Field("The version that a rollback puts back.", ("integer",), nullable=True),
    "versions": Field("Newest first.", ("array",), of=_VERSION),
}
_MODEL = Record("RegisteredModel", _MODEL_FIELDS, whole=True)
_BOARD = Record("ModelBoard", {"models": Field("By name.", ("array",), of=_MODEL)}, whole=True)
_ENTRY = Record(
    "AuditEntry",
    {
        "subject": Field("The model."),
        "seq": Field("Counts from 1 within it.", ("integer",)),
        "action": Field("What was done."),
        "version": Field("The version it was done to.", ("integer",), nullable=True),
        "before": Field("What was.", ("object",), of=Field("A value.", ("any",)), keyed=True),
        "after": Field("What is since then.", ("object",), of=Field("A value.", ("any",)), keyed=True),
        "reason": Field("In the words of who did it."),
        "report": Field("The gate report, if a gate was asked.", ("object",), of=REPORT, nullable=True),
        "user": Field("Who."),
        "origin": Field("From which address the server was asked; empty if it was done in the project itself."),
        "time": Field("When, RFC 3339."),
        "hash": Field("SHA-256 over the entry and the one before."),
    },
    whole=True,
)
_HISTORY = Record("ModelHistory", {"entries": Field("Newest first.", ("array",), of=_ENTRY)}, whole=True)
_CHECKED = Record(
    "CheckedHistory",
    {
        "subject": Field("The model."),
        "entries": Field("How many entries its history has.", ("integer",)),
        "fault": Field("What doesn't fit: an entry that was changed, or a state that no entry explains; empty if all fits."),
    },
    whole=True,
)
_CHECKS = Record("CheckedAudit", {"histories": Field("By model.", ("array",), of=_CHECKED)}, whole=True)
_MOVE = Record(
    "ModelMove",
    {
        "to": Field("The stage.", required=True, choices=STAGES),
        "reason": Field("Why; goes into the history.", default=""),
        "force": Field("Promote against a failed gate; needs a reason.", ("boolean",), default=False),
    },
)
_ROLLBACK = Record(
    "ModelRollback",
    {
        "to": Field("A version that was in Production once. Default: the one before.", ("integer",), nullable=True),
        "reason": Field("Why; goes into the history.", default=""),
    },
)


def _board(call: Call) -> Reply:
    """Every registered model with its versions."""
    models = call.store.models
    return _reply({"models": [_told_model(call, model) for model in models.list()]})


def _model(call: Call) -> Reply:
    """One registered model with its versions and what was measured on them."""
    return _reply(_told_model(call, call.store.models.model(call.path["name"])))


def _gates(call: Call) -> Reply:
    """What the gates would decide about a version now; nothing changes."""
    return _reply(told_report(call.store.models.check_gates(call.path["name"], version_number(call))))


def _move(call: Call) -> Reply:
    """Move a version to a stage. To Production the gates are asked: if they refuse, the answer is 409 with the report."""
    asked = _MOVE.read(call.json())
    report = call.store.models.promote(
        call.path["name"], version_number(call), asked["to"], reason=asked["reason"], force=asked["force"]
    )
    return _reply(told_report(report))


def _rollback(call: Call) -> Reply:
    """Put the previous Production version back, or a named one that was there once; the champion is Archived."""
    asked = _ROLLBACK.read(call.json())
    call.store.models.rollback(call.path["name"], to=asked["to"], reason=asked["reason"])
    return _reply(_told_model(call, call.store.models.model(call.path["name"])))


def _history(call: Call) -> Reply:
    """Who did what to a model, when and why."""
    return _reply({"entries": [_told_entry(entry) for entry in reversed(call.store.models.history(call.path["name"]))]})


def _audit(call: Call) -> Reply:
    """What was done to all models, those that are gone too, newest first."""
    asked = read_query(call.query, _AUDIT_QUERY)
    if not 0 < asked["limit"] <= MOST_ENTRIES:
        msg = f"limit must be 1 to {MOST_ENTRIES}, not {asked['limit']}"
        raise InvalidInputError(msg)
    before = None if asked["until"] is None else to_micros(parse_time(asked["until"])) + 1
    entries = call.store.models.audit.newest(asked["limit"], before=before, user=asked["user"])
    return _reply({"entries": [_told_entry(entry) for entry in entries]})


def _verify(call: Call) -> Reply:
    """Recompute every model's history, hash by hash, and compare it with how things stand; those of models that are gone too."""
    models = call.store.models
    return _reply({"histories": [_checked(models, name) for name in models.trails()]})


def _checked(models: Any, name: str) -> dict[str, Any]:
    try:
        return {"subject": name, "entries": models.verify_history(name), "fault": ""}
    except IntegrityError as error:
        return {"subject": name, "entries": len(models.history(name)), "fault": str(error)}


def version_number(call: Call) -> int:
    """The version that the path names. Raises InvalidInputError if it isn't a number."""
    text = call.path["version"]
    if not text.isdecimal() or len(text) > 9:
        msg = f"a version of a model is a number, not {text!r}"
        raise InvalidInputError(msg)
    return int(text)


def _told_model(call: Call, model: RegisteredModel) -> dict[str, Any]:
    lifecycle, versions = model.lifecycle, call.store.models.versions(model.name)
    measured: dict[int, list[Evaluation]] = {}
    for evaluation in call.store.models.store.evaluations(model.name, [item.version for item in versions]):
        measured.setdefault(evaluation.version, []).append(evaluation)
    previous = lifecycle.predecessors[-1] if lifecycle.predecessors else None
    return {
        "name": model.name,
        "description": model.description,
        "tags": dict(model.tags),
        "owner": model.owner,
        "created": isoformat(model.created),
        "updated": isoformat(model.updated),
        "gates": [{"metric": gate.metric, "rule": ", ".join(rules(gate))} for gate in model.gates],
        "champion": lifecycle.champion,
        "previous": previous,
        "versions": [
            _told_version(item, measured.get(item.version, []), reigned=item.version in lifecycle.reigned)
            for item in sorted(versions, key=lambda item: -item.version)
        ],
    }


def _told_version(version: ModelVersion, evaluations: list[Evaluation], *, reigned: bool) -> dict[str, Any]:
    signature = version.signature
    return {
        "version": version.version,
        "stage": version.stage,
        "aliases": list(version.aliases),
        "run_id": version.run_id,
        "model_id": version.model_id,
        "flavor": version.flavor,
        "view": version.view,
        "inputs": [] if signature is None else _columns(signature.inputs),
        "outputs": [] if signature is None else _columns(signature.outputs),
        "files": [{"path": file.path, "digest": file.digest, "size": file.size} for file in version.files],
        "size": version.size,
        "requirements": list(version.requirements),
        "user": version.user,
        "created": isoformat(version.created),
        "description": version.description,
        "tags": dict(version.tags),
        "owner": version.owner,
        "card": version.card,
        "environment": dict(version.origin.environment),
        "metrics": {key: plain(value) for key, value in version.metrics.items()},
        "params": dict(version.origin.params),
        "evaluations": [
            {
                "dataset": item.dataset,
                "fingerprint": item.fingerprint,
                "label": item.label,
                "rows": item.rows,
                "figures": {key: plain(value) for key, value in item.figures.items()},
                "user": item.user,
                "time": isoformat(item.time),
            }
            for item in evaluations
        ],
        "reigned": reigned,
    }


def _columns(columns: Any) -> list[dict[str, str]]:
    return [{"name": str(column.name), "type": str(column.type)} for column in columns or ()]


def told_report(report: GateReport) -> dict[str, Any]:
    """A gate report as plain JSON values."""
    told = plain({**asdict(report), "passed": report.passed})
    return {**told, "time": isoformat(report.time) if report.time else None}


def _told_entry(entry: AuditEntry) -> dict[str, Any]:
    report = None if entry.report is None else told_report(GateReport.from_dict(entry.report))
    return {
        "subject": entry.subject,
        "seq": entry.seq,
        "action": entry.action,
        "version": entry.version,
        "before": plain(dict(entry.before)),
        "after": plain(dict(entry.after)),
        "reason": entry.reason,
        "report": report,
        "user": entry.user,
        "origin": entry.origin,
        "time": isoformat(entry.time),
        "hash": entry.hash,
    }


def _reply(value: Any) -> Reply:
    return Reply(dumps(value), media_type=JSON)


BOARD = Operation(_board, gives=(Content(record=_BOARD),))
MODEL = Operation(_model, gives=(Content(record=_MODEL),))
GATES = Operation(_gates, gives=(Content(record=REPORT),))
MOVE = Operation(_move, takes=(Content(record=_MOVE),), gives=(Content(record=REPORT),))
ROLLBACK = Operation(_rollback, takes=(Content(record=_ROLLBACK),), gives=(Content(record=_MODEL),))
AUDIT = Operation(_audit, gives=(Content(record=_HISTORY),), query=_AUDIT_QUERY)
HISTORY = Operation(_history, gives=(Content(record=_HISTORY),))
VERIFY = Operation(_verify, gives=(Content(record=_CHECKS),))
