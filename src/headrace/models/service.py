"""The verbs of the model registry: register, find, move, promote, roll back, and what happened."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.artifacts.store import ArtifactStore
from headrace.clock import Clock
from headrace.errors import InvalidInputError, NotFoundError
from headrace.models import lifecycle
from headrace.models.audit import AuditEntry, Author, verify, verify_state
from headrace.models.comparison import Comparison, compare
from headrace.models.gates import Evaluation, Gate, GateReport, check_gates
from headrace.models.lifecycle import STAGES, parse_stage
from headrace.models.promotion import Promotions
from headrace.models.registering import Registering
from headrace.models.store import AuditStore, Edit, ModelStore
from headrace.models.version import ModelVersion, RegisteredModel, check_alias, check_name, check_tags, parse_uri
from headrace.tracking.run import LoggedModel
from headrace.tracking.store import LoggedModelStore, RunStore

if TYPE_CHECKING:
    from headrace.models.evaluation import Data, Metric
    from headrace.models.loading import LoadedModel

__all__ = ["Models"]

Selector = int | str


class Models:
    """The model registry.

    Args:
        store, audit: where models, versions and the trail are kept.
        runs, logged_models: what tracking knows of the runs and models that versions come from.
        artifacts: the bytes of the models.
        clock: now, in microseconds since 1970.
        author: the name that goes into the trail.
        settle: hands over what the runs of this process have logged, so that a version keeps all of it.
    """

    def __init__(
        self,
        store: ModelStore,
        audit: AuditStore,
        runs: RunStore,
        logged_models: LoggedModelStore,
        artifacts: ArtifactStore,
        clock: Clock,
        author: str,
        *,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._audit = audit
        self._runs = runs
        self._logged = logged_models
        self._artifacts = artifacts
        self._author = Author(clock, author)
        self._settle = settle
        self.store, self.audit = store, audit
        self.registering = Registering(store, runs, self._author, settle)
        self._promotions = Promotions(store, audit, artifacts, self._author)

    def by(self, user: str) -> Models:
        """The same registry, its trail written in another name: for a server that does what a client asks of it."""
        return Models(self.store, self.audit, self._runs, self._logged, self._artifacts, self._author.clock, user)

    def create(self, name: str, description: str = "", tags: Mapping[str, Any] | None = None) -> RegisteredModel:
        """Make a registered model that has no versions yet; `register` makes one by itself.

        Raises:
            AlreadyExistsError: the name is taken.
            InvalidInputError: the name or a tag can't be used.
        """
        check_name(name)
        entry = self._author.entry("create", after={"description": description, "tags": check_tags(tags or {})})
        draft = RegisteredModel(
            name=name, description=description, tags=check_tags(tags or {}), created=entry.time, updated=entry.time
        )
        return self._store.add_model(draft, entry)

    def rename(self, name: str, new: str) -> RegisteredModel:
        """Give a model another name; its versions and its history go with it.

        Raises:
            NotFoundError: there is no such model.
            AlreadyExistsError, InvalidInputError: the new name is taken, or can't be used.
        """
        check_name(new)
        self.model(name)
        self._store.rename(name, new, self._author.entry("rename", before={"name": name}, after={"name": new}))
        return self.model(new)

    def delete(self, name: str) -> None:
        """Delete a model with all its versions. Its history stays, and its versions' numbers aren't given again.

        Raises:
            NotFoundError: there is no such model.
            ConflictError: a version is in Production.
        """
        model = self.model(name)
        stages = {str(number): model.lifecycle.stage_of(number) for number in model.lifecycle.versions}
        self._store.remove(name, self._author.entry("delete", before={"stages": stages, "aliases": model.aliases}))

    def delete_version(self, name: str, version: Selector) -> None:
        """Delete a version and the aliases that name it. Its number isn't given again.

        Raises:
            NotFoundError: there is no such version.
            ConflictError: it is in Production.
        """
        found = self.get(name, version).version
        self._promotions.forget(name, found)

    def register(
        self, model: LoggedModel | str, name: str, description: str = "", tags: Mapping[str, Any] | None = None
    ) -> ModelVersion:
        """Make a logged model the next version of `name`; the registered model is made at first use.

        Registering the same logged model again makes another version, as in MLflow: a version is an act of registering, with
        its own stage, texts and history. The run's metrics, parameters, data and tags are kept with it.

        Args:
            model: what `run.log_model` returned, or its id, `m-…`.

        Raises:
            InvalidInputError: the name or a tag can't be used, the model isn't a logged one, or its files haven't all come.
            NotFoundError: the model or its run isn't there.
        """
        return self.registering.logged(self._logged_model(model), name, description, tags)

    def get(self, name: str, version: Selector = "latest") -> ModelVersion:
        """One version: by number, `"@alias"`, stage (`"Staging"` means its newest) or `"latest"`.

        Raises:
            NotFoundError: there is no such model, version or alias, or no version in that stage.
        """
        model = self.model(name)
        return self._version(name, _select(model, version))

    def model(self, name: str) -> RegisteredModel:
        """The registered model. Raises NotFoundError with the nearest name."""
        model = self._store.model(name)
        if model is None:
            error = NotFoundError.of("registered model", name, self._store.names())
            raise error
        return model

    def resolve(self, uri: str) -> ModelVersion | LoggedModel:
        """What a `models:/` address names now: a version, or a logged model for `models:/m-…`.

        Raises:
            InvalidInputError: the text isn't an address.
            NotFoundError: it names nothing.
        """
        address = parse_uri(uri)
        return self._logged.get(address.model_id) if address.model_id else self.get(address.name, address.selector)

    def list(self) -> builtins.list[RegisteredModel]:
        """All registered models, by name."""
        return self._store.models()

    def versions(self, name: str) -> builtins.list[ModelVersion]:
        """All versions of a model, ascending. Raises NotFoundError."""
        self.model(name)
        return self._store.versions(name)

    def pinned_views(self) -> dict[str, builtins.list[str]]:
        """The feature view versions that versions in Staging or Production read, each with those versions' addresses."""
        found: dict[str, builtins.list[str]] = {}
        for model in self._store.models():
            held = model.lifecycle
            numbers = [*held.staging, *([] if held.production is None else [held.production])]
            for version in self._store.versions(model.name, numbers) if numbers else ():
                if version.view:
                    found.setdefault(version.view, []).append(version.uri)
        return found

    def set_alias(self, name: str, alias: str, version: Selector) -> ModelVersion:
        """Point an alias at a version; it moves if it pointed elsewhere.

        Raises:
            ConflictError: `champion` and `challenger` follow the stages.
            InvalidInputError: the alias can't be used.
            NotFoundError: there is no such version.
        """
        check_alias(alias)
        target = self.get(name, version).version
        self._promotions.change(name, "alias", target, lambda state: lifecycle.point_alias(state, alias, target))
        return self._version(name, target)

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; one that isn't there is fine. Raises ConflictError for `champion` and `challenger`."""
        self._promotions.change(
            name, "alias", self.model(name).aliases.get(alias), lambda state: lifecycle.drop_alias(state, alias)
        )

    def aliases_of(self, urn: str) -> builtins.list[str]:
        """The aliases that point at a version now, as URNs `models:/name@alias`; none for anything else."""
        prefix, _, number = urn.removeprefix("models:/").rpartition("/")
        model = self._store.model(prefix) if prefix and number.isdigit() and urn.startswith("models:/") else None
        return [f"models:/{prefix}@{alias}" for alias in model.lifecycle.aliases_of(int(number))] if model else []

    def alias_targets(self, urn: str) -> builtins.list[str]:
        """The URN of the version or logged model that a `models:/` address names now. Raises NotFoundError."""
        return [self.resolve(urn).urn]

    def set_tag(self, name: str, key: str, value: Any, version: Selector | None = None) -> None:
        """Set a tag on a model, or on one of its versions; None removes it. Raises NotFoundError, InvalidInputError."""
        tag = {key: None} if value is None else check_tags({key: value})
        self._edit(name, version, Edit(tags=tag), "tag", lambda thing: {"tags": {key: thing.tags.get(key)}}, {"tags": tag})

    def describe(self, name: str, text: str, version: Selector | None = None) -> None:
        """Replace the description of a model, or of one of its versions. Raises NotFoundError."""
        after = {"description": text}
        self._edit(name, version, Edit(description=text), "describe", lambda thing: {"description": thing.description}, after)

    def set_gates(self, name: str, gates: Iterable[Gate]) -> None:
        """Replace the gates of a model: what a version must meet to reach Production. Raises NotFoundError."""
        new = check_gates(gates)
        before = {"gates": [gate.to_dict() for gate in self.gates(name)]}
        after = {"gates": [gate.to_dict() for gate in new]}
        self._store.edit(name, None, Edit(gates=new), self._author.entry("gates", before=before, after=after))

    def gates(self, name: str) -> builtins.list[Gate]:
        """The gates of a model. Raises NotFoundError."""
        return list(self.model(name).gates)

    def evaluate(
        self,
        name: str,
        version: Selector,
        data: Data,
        *,
        label: str | None = None,
        metrics: str | Sequence[str | Metric] = (),
        dataset_name: str = "",
        fingerprint: str = "",
        allow_pickle: bool = False,
    ) -> Evaluation:
        """Measure a version on data, and keep the figures for its gates.

        Args:
            name, version: the version, as `get` takes it.
            data: a training set, or a frame that holds the label beside the model's inputs.
            label: the column with the truth. Default: the training set's own.
            metrics: one or several: built-in ones by name (auc log_loss brier accuracy f1 precision recall rmse mae r2), or
                functions of (truth, prediction). Default: those that the gates name.
            dataset_name, fingerprint: what to call the data, and its hash. Default: the training set's own, or the frame's hash.
            allow_pickle: load the model although that runs its author's code.

        Raises:
            InvalidInputError: no such metric, no label, or predictions that the metric can't use. Nothing was kept.
            MissingExtraError: a built-in metric without scikit-learn.
        """
        from headrace.models.evaluation import BUILT_IN, measure, take

        found = self.get(name, version)
        named = [metrics] if isinstance(metrics, str) else metrics
        asked = named or [gate.metric for gate in self.gates(name) if gate.metric in BUILT_IN]
        taken = take(data, label=label, name=dataset_name, fingerprint=fingerprint)
        figures = measure(self._load(found, allow_pickle=allow_pickle), taken, asked)
        evaluation = Evaluation(
            name=name,
            version=found.version,
            dataset=taken.name,
            fingerprint=taken.fingerprint,
            label=taken.label,
            rows=len(taken.truth),
            figures=figures,
            user=self._author.user,
            time=self._author.clock(),
        )
        self._store.add_evaluation(evaluation)
        return evaluation

    def evaluations(self, name: str, version: Selector) -> builtins.list[Evaluation]:
        """What was measured on a version, oldest first. Raises NotFoundError."""
        return self._store.evaluations(name, [self.get(name, version).version])

    def compare(self, name: str, a: Selector, b: Selector) -> Comparison:
        """Two versions side by side: figures on common data, metrics, parameters, data, code, packages. Raises NotFoundError."""
        first, second = self.get(name, a), self.get(name, b)
        return compare(first, second, self._store.evaluations(name, [first.version, second.version]))

    def check_gates(self, name: str, version: Selector) -> GateReport:
        """What the gates would decide about a version now; nothing changes. Raises NotFoundError."""
        return self._promotions.judge(self.model(name), self.get(name, version))

    def transition(self, name: str, version: Selector, to: str, reason: str = "") -> ModelVersion:
        """Move a version to a stage. To Production it is `promote`, with its gates.

        Raises:
            ConflictError: no transition leads there.
            GateError: the gates refuse.
            NotFoundError, InvalidInputError: no such version or stage.
        """
        found = self.get(name, version).version
        self.promote(name, found, to, reason=reason)
        return self._version(name, found)

    def promote(
        self, name: str, version: Selector, to: str = "Production", reason: str = "", *, force: bool = False
    ) -> GateReport:
        """Make a version the champion, if its gates let it; the champion before it is Archived in the same step.

        The report is kept with the decision in the history, and so is a refusal. A version in Production already changes nothing.

        Args:
            name, version: the version, as `get` takes it.
            to: Production; another stage moves the version there, and asks no gate.
            reason: goes into the history.
            force: promote against a failed gate; needs a reason, and shows in the report.

        Raises:
            GateError: the gates refuse; holds the report. Nothing was changed.
            ConflictError: another promotion or rollback came first, or no transition leads there.
            IntegrityError: a file of the version is gone.
            InvalidInputError: force without a reason, or no such stage.
            NotFoundError: no such version.
        """
        stage = parse_stage(to)
        found = self.get(name, version).version
        return self._promotions.promote(name, found, stage, reason, force=force)

    def rollback(self, name: str, to: Selector | None = None, reason: str = "") -> ModelVersion:
        """Put the previous Production version back, or a named one that was there once; the champion is Archived.

        A second rollback goes one further back; naming a later version goes forward again. Gates aren't asked.

        Raises:
            ConflictError: there is nothing to go back to, or another promotion or rollback came first.
            IntegrityError: a file of that version is gone.
            NotFoundError: no such version.
        """
        self.model(name)
        target = None if to is None else self.get(name, to).version
        return self._version(name, self._promotions.rollback(name, target, reason))

    def history(self, name: str) -> builtins.list[AuditEntry]:
        """Everything that was done to a model, oldest first; refusals too. Raises NotFoundError."""
        self.model(name)
        return self._audit.history(name)

    def verify_history(self, name: str) -> int:
        """Check that the history is whole and leads to the stages and aliases of now; the number of its entries.

        Raises:
            IntegrityError: an entry, a stage or an alias was changed past the registry.
            NotFoundError: there is no such model.
        """
        # The trail may grow between the two reads; a state read after it is then newer than it, so both are read again.
        while True:
            before, entries, after = self.model(name), self.history(name), self.model(name)
            if before.lifecycle.revision == after.lifecycle.revision:
                break
        verify(entries)
        verify_state(entries, after.lifecycle)
        return len(entries)

    def check_files(self, name: str, version: Selector) -> None:
        """Check that the artifact store has every file of a version, in its size, as promote and rollback do.

        Raises:
            IntegrityError: a file is gone, or has another size.
            NotFoundError: there is no such version.
        """
        self._promotions.require_files(self.get(name, version))

    def load(self, uri: str, *, allow_pickle: bool = False) -> LoadedModel:
        """Load the model that a `models:/` address names now; every file is checked against its SHA-256 first.

        Args:
            uri: as `resolve` takes it.
            allow_pickle: load although that runs its author's code.

        Raises:
            UnsafeModelError: the format runs code when loaded, and `allow_pickle` isn't given.
            IntegrityError: a file is gone or isn't what was logged.
            NotFoundError, InvalidInputError: the address names nothing, or isn't one.
        """
        return self._load(self.resolve(uri), allow_pickle=allow_pickle)

    def fetch(self, model: ModelVersion | LoggedModel, folder: Path) -> None:
        """Write a model's files into a folder, each checked against its SHA-256, for those who load it elsewhere.

        Raises:
            IntegrityError: a file is gone, isn't what was logged, or would be written outside of the folder.
        """
        from headrace.models.loading import fetch

        fetch(model, self._artifacts, folder)

    def _logged_model(self, model: object) -> LoggedModel:
        found = self.resolve(f"models:/{model.removeprefix('models:/')}") if isinstance(model, str) else model
        if not isinstance(found, LoggedModel):
            msg = f"a {type(found).__name__} isn't a logged model; register what run.log_model returned, or its id"
            raise InvalidInputError(msg)
        return found

    def _load(self, model: ModelVersion | LoggedModel, *, allow_pickle: bool) -> LoadedModel:
        from headrace.models.loading import load

        return load(model, self._artifacts, allow_pickle=allow_pickle)

    def _version(self, name: str, number: int) -> ModelVersion:
        found = self._store.versions(name, [number])
        if not found:
            msg = f"the model {name!r} has no version {number}"
            raise NotFoundError(msg)
        return found[0]

    def _edit(
        self,
        name: str,
        version: Selector | None,
        edit: Edit,
        action: str,
        before: Callable[[Any], Mapping[str, Any]],
        after: Mapping[str, Any],
    ) -> None:
        thing = self.model(name) if version is None else self.get(name, version)
        number = thing.version if isinstance(thing, ModelVersion) else None
        self._store.edit(name, number, edit, self._author.entry(action, number, before=before(thing), after=after))


def _select(model: RegisteredModel, version: Selector | None) -> int:
    numbers = model.lifecycle.versions
    text = "" if version is None else str(version)  # Python's None isn't the stage of that name
    if text.isdecimal():
        if int(text) not in numbers:
            error = NotFoundError.of(f"version of {model.name!r}", text, map(str, numbers))
            raise error
        return int(text)
    if text.startswith("@"):
        return _by_alias(model, text[1:])
    if text.lower() == "latest":
        return _newest(model, "version", numbers)
    if text.lower() not in {stage.lower() for stage in STAGES}:
        hint = f"; did you mean '@{text}'?" if text in model.aliases else ""
        msg = f"{version!r} names no version of {model.name!r}: use a number, '@ALIAS', 'latest' or a stage{hint}"
        raise InvalidInputError(msg)
    stage = parse_stage(text)
    if stage == "Staging":
        return _newest(model, "version in Staging", model.lifecycle.staging[-1:])
    return _newest(model, f"version in {stage}", [number for number in numbers if model.lifecycle.stage_of(number) == stage])


def _by_alias(model: RegisteredModel, alias: str) -> int:
    if alias in model.aliases:
        return model.aliases[alias]
    if alias == lifecycle.CHAMPION:
        msg = f"the model {model.name!r} has no champion: no version is in Production; promote one"
        raise NotFoundError(msg)
    error = NotFoundError.of(f"alias of {model.name!r}", alias, model.aliases)
    raise error


def _newest(model: RegisteredModel, what: str, numbers: Sequence[int]) -> int:
    if not numbers:
        msg = f"the model {model.name!r} has no {what}"
        raise NotFoundError(msg)
    return max(numbers)
