"""Reads the model registry: models, versions, evaluations, reports, the audit trail, and the models themselves."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.accounts.account import Account
from headrace.arguments import checked
from headrace.artifacts.store import ArtifactStore
from headrace.clock import Clock
from headrace.errors import NotFoundError
from headrace.models.audit import AuditEntry, Author, verify, verify_state
from headrace.models.checks import Checks
from headrace.models.comparison import Comparison, compare
from headrace.models.environment import environment_of
from headrace.models.gates import Evaluation, Gate, GateReport
from headrace.models.judge import Judge
from headrace.models.lifecycle import Lifecycle
from headrace.models.promotion import Promotions
from headrace.models.registering import Registering
from headrace.models.requests import RequestStore
from headrace.models.selecting import Selector, select
from headrace.models.store import AuditStore, ModelStore
from headrace.models.version import ModelVersion, RegisteredModel, parse_uri
from headrace.tracking.run import LoggedModel
from headrace.tracking.store import LoggedModelStore, RunStore

if TYPE_CHECKING:
    from headrace.flavors.loaded import LoadedModel

__all__ = ["ModelReads"]


@checked()
class ModelReads:
    """The half of the registry that changes nothing; `Models` adds the verbs that do.

    Args:
        store, audit: where models, versions and the audit trail are kept.
        runs, logged_models: the runs and logged models that versions come from.
        artifacts: the files of the models.
        clock: now, in microseconds since 1970.
        author: the user named in the trail.
        settle: sends what the runs of this process have logged, so that a version keeps all of it.
        requests: where requests to move versions are kept; None if there can be none.
        checks: answers from the rest of the project about what a version needs.
        account: the author's account; None where nobody has to sign in.
        origin: the address that a request to a server came from, for the trail.
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
        requests: RequestStore | None = None,
        checks: Checks | None = None,
        account: Account | None = None,
        origin: str = "",
    ) -> None:
        self._store = store
        self._audit = audit
        self._runs = runs
        self._logged = logged_models
        self._artifacts = artifacts
        self._author = Author(clock, author, account, origin)
        self.store, self.audit = store, audit
        self._request_store, self._checks = requests, checks or Checks()
        self._judge = Judge(store, artifacts, self._author, self._checks, requests)
        self._settle = settle
        self.registering = Registering(store, runs, self._author, settle, self._environment)
        self._promotions = Promotions(store, audit, artifacts, self._author, self._judge)

    def get(self, name: str, version: Selector = "latest") -> ModelVersion:
        """One version: by number, `"@alias"`, stage (`"Staging"` means its newest) or `"latest"`.

        Raises:
            NotFoundError: there is no such model, version or alias, or no version in that stage.
        """
        model = self.model(name)
        return self._version(name, select(model, version))

    def model(self, name: str) -> RegisteredModel:
        """The registered model. Raises NotFoundError with the nearest name."""
        model = self._store.model(name)
        if model is None:
            error = NotFoundError.of("registered model", name, self._store.names())
            raise error
        return model

    def resolve(self, uri: str) -> ModelVersion | LoggedModel:
        """The version that a `models:/` address names now, or the logged model for `models:/m-…`.

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
        """The view versions that models in Staging or Production read, each with the addresses of those models."""
        return self._store.pinned_views()

    def aliases_of(self, urn: str) -> builtins.list[str]:
        """The aliases of a version now, as URNs `models:/name@alias`; empty for what isn't a version."""
        prefix, _, number = urn.removeprefix("models:/").rpartition("/")
        model = self._store.model(prefix) if prefix and number.isdigit() and urn.startswith("models:/") else None
        return [f"models:/{prefix}@{alias}" for alias in model.lifecycle.aliases_of(int(number))] if model else []

    def alias_targets(self, urn: str) -> builtins.list[str]:
        """The URN of the version or logged model that a `models:/` address names now. Raises NotFoundError."""
        return [self.resolve(urn).urn]

    def gates(self, name: str) -> builtins.list[Gate]:
        """The gates of a model. Raises NotFoundError."""
        return list(self.model(name).gates)

    def evaluations(self, name: str, version: Selector) -> builtins.list[Evaluation]:
        """The evaluations of a version, oldest first. Raises NotFoundError."""
        return self._store.evaluations(name, [self.get(name, version).version])

    def compare(self, name: str, a: Selector, b: Selector) -> Comparison:
        """Two versions side by side: figures on common data, metrics, parameters, data, code, packages. Raises NotFoundError."""
        first, second = self.get(name, a), self.get(name, b)
        return compare(first, second, self._store.evaluations(name, [first.version, second.version]))

    def check_gates(self, name: str, version: Selector) -> GateReport:
        """What the gates would decide about a version now; nothing changes. Raises NotFoundError."""
        return self._judge(self.model(name), self.get(name, version))

    def card(self, name: str, version: Selector) -> str:
        """The model card of a version, Markdown: the text that people wrote, and facts. Raises NotFoundError."""
        from headrace.models.markdown import model_card

        found = self.get(name, version)
        upstream = [] if self._checks.upstream is None else self._checks.upstream(found.urn)
        model = self.model(name)
        return model_card(found, self.evaluations(name, found.version), found.card or model.card, upstream, model.owner)

    def history(self, name: str) -> builtins.list[AuditEntry]:
        """The audit trail of a model, also of a deleted one, oldest first; refusals are in it. Raises NotFoundError."""
        if name not in self._audit.subjects():
            self.model(name)
        return self._audit.history(name)

    def trails(self) -> builtins.list[str]:
        """The names of all models that have a history, deleted ones included."""
        return sorted({*self._store.names(), *self._audit.subjects()})

    def verify_history(self, name: str) -> int:
        """Check that the history is whole and leads to the present stages and aliases. Returns the number of its entries.

        Raises:
            IntegrityError: an entry, a stage or an alias was changed without the registry.
            NotFoundError: there is no such model.
        """
        # The trail may grow between the two reads; a state read after it is then newer than it, so both are read again.
        while True:
            before, entries, after = self._standing(name), self.history(name), self._standing(name)
            if before == after:
                break
        verify(entries)
        verify_state(entries, after)
        return len(entries)

    def _standing(self, name: str) -> Lifecycle:
        """The lifecycle of a model; an empty one if it was deleted."""
        model = self._store.model(name)
        return Lifecycle() if model is None else model.lifecycle

    def check_files(self, name: str, version: Selector) -> None:
        """Check that the artifact store has every file of a version in its full size, as promote and rollback do.

        Raises:
            IntegrityError: a file is gone, or has another size.
            NotFoundError: there is no such version.
        """
        self._promotions.require_files(self.get(name, version))

    def load(self, uri: str, *, allow_pickle: bool = False) -> LoadedModel:
        """Load the model that a `models:/` address names now. Every file is checked against its SHA-256 first.

        Args:
            uri: `models:/name/3`, `models:/name@alias`, `models:/name/Production`, `models:/name/latest` or `models:/m-…`.
            allow_pickle: load the model even if that runs its author's code.

        Raises:
            UnsafeModelError: the format runs code when loaded, and `allow_pickle` isn't given.
            IntegrityError: a file is gone or isn't what was logged.
            NotFoundError, InvalidInputError: the address names nothing, or isn't one.
        """
        return self._load(self.resolve(uri), allow_pickle=allow_pickle)

    def fetch(self, model: ModelVersion | LoggedModel, folder: Path) -> None:
        """Write a model's files into a folder, each checked against its SHA-256.

        Raises:
            IntegrityError: a file is gone, isn't what was logged, or would be written outside of the folder.
        """
        from headrace.tracking.loading import fetch

        fetch(model, self._artifacts, folder)

    def _environment(self, run_id: str) -> dict[str, str]:
        return environment_of(run_id, self._checks.run_files, self._artifacts)

    def _load(self, model: ModelVersion | LoggedModel, *, allow_pickle: bool) -> LoadedModel:
        from headrace.tracking.loading import load

        return load(model, self._artifacts, allow_pickle=allow_pickle)

    def _version(self, name: str, number: int) -> ModelVersion:
        found = self._store.versions(name, [number])
        if not found:
            msg = f"the model {name!r} has no version {number}"
            raise NotFoundError(msg)
        return found[0]
