"""The verbs of the model registry: register, find, move, promote, roll back, and what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.accounts.account import Account
from headrace.arguments import checked
from headrace.errors import InvalidInputError
from headrace.models import lifecycle
from headrace.models.approvals import Requests
from headrace.models.gates import Evaluation, Gate, GateReport, check_gates
from headrace.models.lifecycle import parse_stage
from headrace.models.reads import ModelReads
from headrace.models.selecting import Selector
from headrace.models.store import Edit
from headrace.models.version import ModelVersion, RegisteredModel, check_alias, check_name, check_tags
from headrace.tracking.rules import model_id_of
from headrace.tracking.run import LoggedModel

if TYPE_CHECKING:
    from headrace.models.evaluation import Data, Metric

__all__ = ["Models", "Selector"]


@checked()
class Models(ModelReads):
    """The model registry, `store.models`: registers, finds, promotes and loads versions."""

    def by(self, user: str = "", account: Account | None = None, origin: str = "") -> Models:
        """The same registry with another author for its audit trail, for a server that acts for a client.

        Where the author is an account, it stays that account whatever name the client gives.
        """
        if self._author.account is not None:
            return self
        stores = (self.store, self.audit, self._runs, self._logged, self._artifacts)
        return Models(
            *stores,
            self._author.clock,
            user or self._author.user,
            settle=self._settle,
            requests=self._request_store,
            checks=self._checks,
            account=account,
            origin=origin or self._author.origin,
        )

    @property
    def requests(self) -> Requests:
        """Requests to move versions: `open`, `approve`, `reject`, `comment`, `withdraw`, `list`."""
        if self._request_store is None:
            msg = "this registry keeps no requests"
            raise InvalidInputError(msg)
        return Requests(self._request_store, self.store, self._author, self.promote)

    def create(self, name: str, description: str = "", tags: Mapping[str, Any] | None = None) -> RegisteredModel:
        """Make a registered model that has no versions yet; `register` makes one by itself.

        Raises:
            AlreadyExistsError: the name is taken.
            InvalidInputError: the name or a tag can't be used.
        """
        self._author.require("models:write")
        check_name(name)
        entry = self._author.entry("create", after={"description": description, "tags": check_tags(tags or {})})
        draft = RegisteredModel(
            name=name, description=description, tags=check_tags(tags or {}), created=entry.time, updated=entry.time
        )
        return self._store.add_model(draft, entry)

    def rename(self, name: str, new: str) -> RegisteredModel:
        """Give a model another name; its versions and its history go with it. Its present name changes nothing.

        Raises:
            NotFoundError: there is no such model.
            AlreadyExistsError, InvalidInputError: the new name is taken, or can't be used.
            AccessError: a version is in Production, and moving one there isn't for who asks.
        """
        self._author.require("models:write")
        check_name(new)
        held = self.model(name)
        if held.lifecycle.production is not None:  # whoever follows models:/NAME@champion finds nothing from now on
            self._author.require("models:promote")
        if new == name:
            return held
        self._store.rename(name, new, self._author.entry("rename", before={"name": name}, after={"name": new}))
        return self.model(new)

    def delete(self, name: str) -> None:
        """Delete a model with all its versions. Its history stays, and the versions' numbers are never used again.

        Raises:
            NotFoundError: there is no such model.
            ConflictError: a version is in Production.
        """
        self._author.require("models:write")
        model = self.model(name)
        stages = {str(number): model.lifecycle.stage_of(number) for number in model.lifecycle.versions}
        self._store.remove(name, self._author.entry("delete", before={"stages": stages, "aliases": model.aliases}))

    def delete_version(self, name: str, version: Selector) -> None:
        """Delete a version and the aliases that name it. Its number is never used again.

        Raises:
            NotFoundError: there is no such version.
            ConflictError: it is in Production.
        """
        self._author.require("models:write")
        found = self.get(name, version).version
        self._promotions.forget(name, found)

    def register(
        self,
        model: LoggedModel | str,
        name: str,
        description: str = "",
        tags: Mapping[str, Any] | None = None,
        *,
        docker: str = "",
    ) -> ModelVersion:
        """Make a logged model the next version of `name`; the registered model is made at first use.

        Registering the same logged model again makes another version, as in MLflow, with a stage, texts and a history of its own.
        The run's metrics, parameters, data and tags are kept with it.

        Args:
            model: what `run.log_model` returned, or its id, `m-…`, also as its address or its URN.
            description, tags: of the version.
            docker: the container image to run it in, `ghcr.io/team/ranker:1.4@sha256:…`. Default: the image that its run ran in,
                if HEADRACE_IMAGE or the container runtime named it.

        Raises:
            InvalidInputError: the name, a tag or the image can't be used, `model` isn't a logged model, or some of its files
                haven't been uploaded yet.
            NotFoundError: the model or its run isn't there.
        """
        return self.registering.logged(self._logged_model(model), name, description, tags, docker=docker)

    def set_alias(self, name: str, alias: str, version: Selector) -> ModelVersion:
        """Point an alias at a version; it moves if it pointed elsewhere.

        Raises:
            ConflictError: `champion` and `challenger` follow the stages.
            InvalidInputError: the alias can't be used.
            NotFoundError: there is no such version.
        """
        self._author.require("models:write")
        check_alias(alias)
        target = self.get(name, version).version
        self._promotions.change(name, "alias", target, lambda state: lifecycle.point_alias(state, alias, target))
        return self._version(name, target)

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias, if it exists. Raises ConflictError for `champion` and `challenger`."""
        self._author.require("models:write")
        self._promotions.change(
            name, "alias", self.model(name).aliases.get(alias), lambda state: lifecycle.drop_alias(state, alias)
        )

    def set_tag(self, name: str, key: str, value: Any, version: Selector | None = None) -> None:
        """Set a tag on a model, or on one of its versions; None removes it. Raises NotFoundError, InvalidInputError."""
        tag = {key: None} if value is None else check_tags({key: value})
        self._edit(name, version, Edit(tags=tag), "tag", lambda thing: {"tags": {key: thing.tags.get(key)}}, {"tags": tag})

    def describe(self, name: str, text: str, version: Selector | None = None) -> None:
        """Replace the description of a model, or of one of its versions. Raises NotFoundError."""
        after = {"description": text}
        self._edit(name, version, Edit(description=text), "describe", lambda thing: {"description": thing.description}, after)

    def set_owner(self, name: str, owner: str, version: Selector | None = None) -> None:
        """Name who is responsible for a model, or for one of its versions; an empty text for nobody. Raises NotFoundError."""
        self._edit(name, version, Edit(owner=owner), "owner", lambda thing: {"owner": thing.owner}, {"owner": owner})

    def write_card(self, name: str, text: str, version: Selector | None = None) -> None:
        """Replace the model card of a model, or of one of its versions, Markdown. Raises NotFoundError."""
        self._edit(name, version, Edit(card=text), "card", lambda thing: {"card": thing.card}, {"card": text})

    def set_gates(self, name: str, gates: Iterable[Gate]) -> None:
        """Replace the gates of a model: what a version must meet to reach Production. Raises NotFoundError."""
        self._author.require("models:promote")
        new = check_gates(gates)
        before = {"gates": [gate.to_dict() for gate in self.gates(name)]}
        after = {"gates": [gate.to_dict() for gate in new]}
        self._store.edit(name, None, Edit(gates=new), self._author.entry("gates", before=before, after=after))

    def evaluate(
        self,
        name: str,
        version: Selector,
        data: Data,
        *,
        label: str | None = None,
        metrics: str | Sequence[str | Metric] = (),
        slices: str | Sequence[str] = (),
        dataset_name: str = "",
        fingerprint: str = "",
        allow_pickle: bool = False,
    ) -> Evaluation:
        """Measure a version on data. Its gates use the figures, and the predictions of each row, which are kept too.

        Args:
            name, version: the version, as `get` takes it.
            data: a training set, or a frame that holds the label beside the model's inputs.
            label: the column with the truth. Default: the training set's own.
            metrics: one or several: built-in ones by name (auc log_loss brier accuracy f1 precision recall rmse mae r2,
                latency_p50_ms latency_p99_ms), or functions of (truth, prediction). Default: those that the gates name.
            slices: columns; the figures are also computed for the rows of each of their values. They may be columns that the
                model doesn't take.
            dataset_name, fingerprint: what to call the data, and its hash. Default: the training set's own, or the frame's hash.
            allow_pickle: load the model even if loading it runs its author's code.

        Raises:
            InvalidInputError: no such metric, no label, or predictions that the metric can't use. Nothing was kept.
            MissingExtraError: a built-in metric without scikit-learn.
        """
        from headrace.models.evaluation import MEASURED, measure, take
        from headrace.models.examples import keep_examples

        self._author.require("models:write")
        found = self.get(name, version)
        named = [metrics] if isinstance(metrics, str) else metrics
        asked = named or list(dict.fromkeys(gate.metric for gate in self.gates(name) if gate.metric in MEASURED))
        taken = take(data, label=label, name=dataset_name, fingerprint=fingerprint)
        by = [slices] if isinstance(slices, str) else list(slices)
        measured = measure(self._load(found, allow_pickle=allow_pickle), taken, asked, by)
        evaluation = Evaluation(
            name=name,
            version=found.version,
            dataset=taken.name,
            fingerprint=taken.fingerprint,
            label=taken.label,
            rows=len(taken.truth),
            figures=measured.figures,
            user=self._author.user,
            time=self._author.clock(),
            examples=keep_examples(self._artifacts, measured.rows, {column: taken.inputs[column] for column in by}),
            slices=measured.slices,
        )
        self._store.add_evaluation(evaluation)
        return evaluation

    def transition(self, name: str, version: Selector, to: str, reason: str = "") -> ModelVersion:
        """Move a version to a stage. A move to Production is a `promote`, with its gates.

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
            to: the stage. Gates are asked only for Production.
            reason: kept in the history.
            force: promote although a gate fails; needs a reason, and the report shows it.

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
        """Put the previous Production version back, or another one that was in Production before; the champion is Archived.

        A second rollback goes one version further back; naming a later version goes forward again. Gates aren't asked.

        Raises:
            ConflictError: there is nothing to go back to, or another promotion or rollback came first.
            IntegrityError: a file of that version is gone.
            NotFoundError: no such version.
        """
        self.model(name)
        target = None if to is None else self.get(name, to).version
        return self._version(name, self._promotions.rollback(name, target, reason))

    def _logged_model(self, model: object) -> LoggedModel:
        return model if isinstance(model, LoggedModel) else self._logged.get(model_id_of(model))

    def _edit(
        self,
        name: str,
        version: Selector | None,
        edit: Edit,
        action: str,
        before: Callable[[Any], Mapping[str, Any]],
        after: Mapping[str, Any],
    ) -> None:
        self._author.require("models:write")
        thing = self.model(name) if version is None else self.get(name, version)
        number = thing.version if isinstance(thing, ModelVersion) else None
        self._store.edit(name, number, edit, self._author.entry(action, number, before=before(thing), after=after))
