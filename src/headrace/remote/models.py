"""The model registry behind a server: it decides on gates, moves stages and writes the trail; here it is asked and told."""

from __future__ import annotations

import builtins
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from headrace.accounts.account import Account
from headrace.arguments import checked
from headrace.artifacts.store import ArtifactStore
from headrace.clock import Clock
from headrace.errors import HeadraceError
from headrace.models.approvals import Requests
from headrace.models.audit import AuditEntry
from headrace.models.gates import Evaluation, Gate, GateReport, check_gates
from headrace.models.lifecycle import Lifecycle
from headrace.models.service import Models, Selector
from headrace.models.store import Edit
from headrace.models.version import ModelVersion, RegisteredModel
from headrace.remote.requests import RemoteRequests
from headrace.remote.transport import Transport
from headrace.shapes import plain, shaped
from headrace.tracking.run import LoggedModel
from headrace.tracking.store import TrackingStores

__all__ = ["RemoteModels"]


@checked()
class RemoteModels(Models):
    """`store.models` over HTTP. Each verb raises as the embedded one does.

    Models are loaded and measured here, in the caller's process; what changes the registry is done by the server.
    """

    def __init__(
        self,
        transport: Transport,
        tracking: TrackingStores,
        artifacts: ArtifactStore,
        clock: Clock,
        author: str,
        *,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        store = RemoteModelStore(transport, author)
        super().__init__(
            store, RemoteAuditStore(transport), tracking.runs, tracking.models, artifacts, clock, author, settle=settle
        )
        self._transport = transport
        self._user = author

    def by(self, user: str = "", account: Account | None = None, origin: str = "") -> Models:  # noqa: ARG002 - the server knows
        """The same registry in another name. Who asks, and from where, the server sees for itself."""
        other = copy.copy(self)
        other._user = user or self._user  # noqa: SLF001 - its own class
        return other

    def register(
        self,
        model: LoggedModel | str,
        name: str,
        description: str = "",
        tags: Mapping[str, Any] | None = None,
        *,
        docker: str = "",
    ) -> ModelVersion:
        """Make a logged model the next version of `name`; see `Models.register`."""
        self._settle()
        model_id = self._logged_model(model).id
        texts = {str(key): str(value) for key, value in (tags or {}).items()}
        asked = {"model": model_id, "name": name, "description": description, "tags": texts, "docker": docker}
        made: ModelVersion = shaped(self._tell("register", asked), ModelVersion)
        return made

    def create(self, name: str, description: str = "", tags: Mapping[str, Any] | None = None) -> RegisteredModel:
        """Make a registered model that has no versions yet; see `Models.create`."""
        texts = {str(key): str(value) for key, value in (tags or {}).items()}
        made: RegisteredModel = shaped(
            self._tell("create", {"name": name, "description": description, "tags": texts}), RegisteredModel
        )
        return made

    def rename(self, name: str, new: str) -> RegisteredModel:
        """Give a model another name; see `Models.rename`."""
        found: RegisteredModel = shaped(self._tell("rename", {"name": name, "new": new}), RegisteredModel)
        return found

    def delete(self, name: str) -> None:
        """Delete a model with all its versions; see `Models.delete`."""
        self._tell("delete", {"name": name})

    def delete_version(self, name: str, version: Selector) -> None:
        """Delete a version and the aliases that name it; see `Models.delete_version`."""
        self._tell("delete_version", {"name": name, "version": str(version)})

    def set_alias(self, name: str, alias: str, version: Selector) -> ModelVersion:
        """Point an alias at a version; see `Models.set_alias`."""
        asked = {"name": name, "alias": alias, "version": str(version)}
        found: ModelVersion = shaped(self._tell("set_alias", asked), ModelVersion)
        return found

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; one that isn't there is fine."""
        self._tell("delete_alias", {"name": name, "alias": alias})

    def set_tag(self, name: str, key: str, value: Any, version: Selector | None = None) -> None:
        """Set a tag on a model, or on one of its versions; None removes it."""
        text = None if value is None else str(value)
        self._tell("set_tag", {"name": name, "key": key, "value": text, "version": _text(version)})

    def describe(self, name: str, text: str, version: Selector | None = None) -> None:
        """Replace the description of a model, or of one of its versions."""
        self._tell("describe", {"name": name, "text": text, "version": _text(version)})

    @property
    def requests(self) -> Requests:
        """Requests to move versions: `open`, `approve`, `reject`, `comment`, `withdraw`, `list`."""
        return RemoteRequests(self._transport, self._user)

    def set_owner(self, name: str, owner: str, version: Selector | None = None) -> None:
        """Say who answers for a model, or for one of its versions; an empty text for nobody."""
        self._tell("set_owner", {"name": name, "text": owner, "version": _text(version)})

    def write_card(self, name: str, text: str, version: Selector | None = None) -> None:
        """Replace what people should know of a model, or of one of its versions: Markdown."""
        self._tell("write_card", {"name": name, "text": text, "version": _text(version)})

    def set_gates(self, name: str, gates: Iterable[Gate]) -> None:
        """Replace the gates of a model."""
        self._tell("set_gates", {"name": name, "gates": [gate.to_dict() for gate in check_gates(gates)]})

    def promote(
        self, name: str, version: Selector, to: str = "Production", reason: str = "", *, force: bool = False
    ) -> GateReport:
        """Make a version the champion, if its gates let it; see `Models.promote`."""
        asked = {"name": name, "version": str(version), "to": to, "reason": reason, "force": force}
        report: GateReport = shaped(self._tell("promote", asked), GateReport)
        return report

    def rollback(self, name: str, to: Selector | None = None, reason: str = "") -> ModelVersion:
        """Put the previous Production version back, or a named one; see `Models.rollback`."""
        asked = {"name": name, "to": _text(to), "reason": reason}
        found: ModelVersion = shaped(self._tell("rollback", asked), ModelVersion)
        return found

    def card(self, name: str, version: Selector) -> str:
        """The model card of a version, Markdown; see `Models.card`."""
        return str(self._transport.call("models/card", {"name": name, "version": str(version)}))

    def check_gates(self, name: str, version: Selector) -> GateReport:
        """What the gates would decide about a version now; nothing changes."""
        asked = {"name": name, "version": str(version)}
        report: GateReport = shaped(self._transport.call("models/check_gates", asked), GateReport)
        return report

    def _tell(self, verb: str, asked: Mapping[str, Any]) -> Any:
        return self._transport.call(f"models/{verb}", {**asked, "user": self._user}, changes=True)


class RemoteModelStore:
    """The reading half of ModelStore over HTTP, and its figures; the rest is the server's alone."""

    def __init__(self, transport: Transport, user: str) -> None:
        self._transport = transport
        self._user = user

    def model(self, name: str) -> RegisteredModel | None:
        """The model as of one moment; None if there is none."""
        found: RegisteredModel | None = self._ask("model", RegisteredModel | None, name=name)
        return found

    def models(self) -> list[RegisteredModel]:
        """All models, by name."""
        found: list[RegisteredModel] = self._ask("models", list[RegisteredModel])
        return found

    def pinned_views(self) -> dict[str, list[str]]:
        """The feature view versions that versions in Staging or Production read, each with those versions' addresses."""
        found: dict[str, list[str]] = self._ask("pinned_views", dict[str, list[str]])
        return found

    def names(self) -> list[str]:
        """The names of all models, sorted."""
        found: list[str] = self._ask("names", list[str])
        return found

    def versions(self, name: str, numbers: Sequence[int] | None = None) -> list[ModelVersion]:
        """The versions with these numbers that exist, or all; ascending."""
        found: list[ModelVersion] = self._ask(
            "versions", list[ModelVersion], name=name, numbers=None if numbers is None else list(numbers)
        )
        return found

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Keep figures; earlier ones stay."""
        asked = {"evaluation": plain(evaluation), "user": self._user}
        self._transport.call("models/add_evaluation", asked, changes=True)

    def evaluations(self, name: str, versions: Sequence[int]) -> list[Evaluation]:
        """The evaluations of these versions, oldest first."""
        found: list[Evaluation] = self._ask("evaluations", list[Evaluation], name=name, versions=list(versions))
        return found

    def add_version(self, draft: ModelVersion, entry: AuditEntry) -> NoReturn:
        """Refused."""
        del draft, entry
        raise HeadraceError(_THERE)

    def add_model(self, draft: RegisteredModel, entry: AuditEntry) -> NoReturn:
        """Refused."""
        del draft, entry
        raise HeadraceError(_THERE)

    def rename(self, name: str, new: str, entry: AuditEntry) -> NoReturn:
        """Refused."""
        del name, new, entry
        raise HeadraceError(_THERE)

    def remove(self, name: str, entry: AuditEntry) -> NoReturn:
        """Refused."""
        del name, entry
        raise HeadraceError(_THERE)

    def remove_version(self, name: str, version: int, before: Lifecycle, after: Lifecycle, entry: AuditEntry) -> NoReturn:
        """Refused."""
        del name, version, before, after, entry
        raise HeadraceError(_THERE)

    def commit(self, name: str, before: Lifecycle, after: Lifecycle, entry: AuditEntry) -> NoReturn:
        """Refused."""
        del name, before, after, entry
        raise HeadraceError(_THERE)

    def edit(self, name: str, version: int | None, edit: Edit, entry: AuditEntry) -> NoReturn:
        """Refused."""
        del name, version, edit, entry
        raise HeadraceError(_THERE)

    def _ask(self, verb: str, kind: Any, **arguments: Any) -> Any:
        return shaped(self._transport.call(f"models/{verb}", arguments), kind)


class RemoteAuditStore:
    """AuditStore over HTTP, to be read."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def record(self, subject: str, entry: AuditEntry) -> NoReturn:
        """Refused."""
        del subject, entry
        raise HeadraceError(_THERE)

    def history(self, subject: str) -> builtins.list[AuditEntry]:
        """All entries of a subject, oldest first."""
        found: list[AuditEntry] = shaped(self._transport.call("models/history", {"subject": subject}), list[AuditEntry])
        return found

    def subjects(self) -> builtins.list[str]:
        """The models that have a trail, those that are gone too, by name."""
        found: list[str] = self._transport.call("models/subjects", {})
        return found

    def newest(self, limit: int, *, before: int | None = None, user: str | None = None) -> builtins.list[AuditEntry]:
        """The newest entries of all subjects, newest first: those before a moment, or by a user."""
        asked = {"limit": limit, "before": before, "user": user}
        found: list[AuditEntry] = shaped(self._transport.call("models/newest", asked), list[AuditEntry])
        return found


_THERE = "a server changes its registry itself; use the verbs of store.models"


def _text(version: Selector | None) -> str | None:
    return None if version is None else str(version)
