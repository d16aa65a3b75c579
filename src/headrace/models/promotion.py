"""Moves versions between stages: judged by gates, written together with the audit entry, and never based on an outdated state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from headrace.artifacts.store import ArtifactStore
from headrace.errors import ConflictError, GateError, IntegrityError, InvalidInputError, NotFoundError
from headrace.models import lifecycle
from headrace.models.audit import AuditEntry, Author, difference
from headrace.models.gates import GateReport
from headrace.models.judge import Judge
from headrace.models.lifecycle import TRANSITIONS, Lifecycle, Stage
from headrace.models.store import AuditStore, ModelStore
from headrace.models.version import ModelVersion, RegisteredModel

__all__ = ["Promotions"]


class Promotions:
    """Changes lifecycles: reads a state, decides, and commits only if the state hasn't changed meanwhile."""

    def __init__(self, store: ModelStore, audit: AuditStore, artifacts: ArtifactStore, author: Author, judge: Judge) -> None:
        self._store = store
        self._audit = audit
        self._artifacts = artifacts
        self._author = author
        self._judge = judge

    def change(
        self, name: str, action: str, version: int | None, step: Callable[[Lifecycle], Lifecycle], reason: str = ""
    ) -> None:
        """Take a step that depends on nothing but the state; repeat it if the state has changed meanwhile."""
        while True:
            before = self._model(name).lifecycle
            after = step(before)
            if after == before or self._store.commit(name, before, after, self._entry(action, version, before, after, reason)):
                return

    def promote(self, name: str, version: int, to: Stage, reason: str, *, force: bool) -> GateReport:
        """Move a version to a stage; to Production its gates decide. See Models.promote."""
        self._author.require("models:promote" if to == "Production" else "models:write")
        if force:
            self._author.require("models:force")
        if to != "Production":
            return self._move(name, version, to, reason)
        first = self._model(name)
        model = first
        while model.champion == first.champion:
            found = self._found(name, version)
            if version == model.champion:
                return self._note(model, version, "already in Production; nothing was changed")
            if model.lifecycle.stage_of(version) == "Archived":
                msg = f"version {version} of {name!r} is Archived; restore it to Staging first, or use rollback"
                raise ConflictError(msg)
            self.require_files(found)
            report = self._decide(model, found, reason, force=force)
            after = lifecycle.move(model.lifecycle, version, "Production")
            entry = self._entry("promote", version, model.lifecycle, after, reason, report)
            if self._store.commit(name, model.lifecycle, after, entry):
                return report
            model = self._model(name)
        raise self._overtaken(name, first, model)

    def rollback(self, name: str, to: int | None, reason: str) -> int:
        """Put an earlier champion back; the version that is champion then. See Models.rollback."""
        self._author.require("models:promote")
        first = self._model(name)
        model = first
        while model.champion == first.champion:
            target = lifecycle.predecessor(model.lifecycle) if to is None else to
            after = lifecycle.rollback(model.lifecycle, target)
            found = self._found(name, target)
            self.require_files(found)
            self._judge.checks.require_view(found)
            if self._store.commit(name, model.lifecycle, after, self._entry("rollback", target, model.lifecycle, after, reason)):
                return target
            model = self._model(name)
        raise self._overtaken(name, first, model)

    def forget(self, name: str, version: int) -> None:
        """Delete a version. See Models.delete_version."""
        while True:
            before = self._model(name).lifecycle
            after = lifecycle.forget(before, version)
            stages = {str(version): before.stage_of(version)}
            gone = {alias: number for alias, number in before.aliases.items() if after.aliases.get(alias) != number}
            entry = self._author.entry(
                "forget",
                version,
                before={"stages": stages, "aliases": gone},
                after={"stages": {str(version): None}, "aliases": {alias: after.aliases.get(alias) for alias in gone}},
            )
            if self._store.remove_version(name, version, before, after, entry):
                return

    def _move(self, name: str, version: int, to: Stage, reason: str) -> GateReport:
        while True:
            model = self._model(name)
            before = model.lifecycle
            stage = before.stage_of(version)
            if stage == "Production" and to != stage:
                self._author.require("models:promote")
            after = lifecycle.move(before, version, to)
            if after == before:
                return self._note(model, version, f"already in {to}; nothing was changed")
            action = TRANSITIONS[stage, to]
            if self._store.commit(name, before, after, self._entry(action, version, before, after, reason)):
                return self._note(model, version, f"moved from {stage} to {to}; gates are asked for Production alone")

    def _decide(self, model: RegisteredModel, version: ModelVersion, reason: str, *, force: bool) -> GateReport:
        report = self._judge(model, version)
        if report.passed:
            return report
        if not force:
            refusal = self._author.entry("refuse", version.version, reason=reason, report=report.to_dict())
            self._audit.record(model.name, refusal)
            msg = f"the gates of {model.name!r} refuse version {version.version}; nothing was changed\n{report}"
            raise GateError(msg, report)
        if not reason.strip():
            msg = f"forcing version {version.version} of {model.name!r} past its gates needs a reason\n{report}"
            raise InvalidInputError(msg)
        return replace(report, forced=True)

    def require_files(self, version: ModelVersion) -> None:
        """Raise IntegrityError if a file of the version is gone from the artifact store, or has another size."""
        for file in version.files:
            size = self._artifacts.size(file.digest)
            if size != file.size:
                state = "is gone" if size is None else f"has {size} bytes instead of {file.size}"
                msg = (
                    f"version {version.version} of {version.name!r} can't serve: its file {file.path!r} (SHA-256 {file.digest}) "
                    f"{state} in the artifact store; put the file back from a backup, or choose another version"
                )
                raise IntegrityError(msg)

    def _model(self, name: str) -> RegisteredModel:
        model = self._store.model(name)
        if model is None:
            error = NotFoundError.of("registered model", name, self._store.names())
            raise error
        return model

    def _found(self, name: str, version: int) -> ModelVersion:
        found = self._store.versions(name, [version])
        if not found:
            msg = f"the model {name!r} has no version {version}"
            raise NotFoundError(msg)
        return found[0]

    def _note(self, model: RegisteredModel, version: int, note: str) -> GateReport:
        return GateReport(name=model.name, version=version, champion=model.champion, note=note, time=self._author.clock())

    def _entry(
        self, action: str, version: int | None, before: Lifecycle, after: Lifecycle, reason: str, report: GateReport | None = None
    ) -> AuditEntry:
        old, new = difference(before, after)
        details = None if report is None else report.to_dict()
        return self._author.entry(action, version, before=old, after=new, reason=reason, report=details)

    @staticmethod
    def _overtaken(name: str, first: RegisteredModel, now: RegisteredModel) -> ConflictError:
        was, is_now = (f"version {m.champion}" if m.champion else "none" for m in (first, now))
        return ConflictError(
            f"another promotion or rollback of {name!r} came first: the champion was {was} and is {is_now} now; "
            "nothing was changed; look at store.models.history and try again if it's still right"
        )
