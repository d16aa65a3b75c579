"""The registry's contracts: models and versions, and the audit trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from headrace.models.audit import AuditEntry
from headrace.models.gates import Evaluation, Gate
from headrace.models.lifecycle import Lifecycle
from headrace.models.version import ModelVersion, RegisteredModel

__all__ = ["AuditStore", "Edit", "ModelStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What may change about a model or version besides its stage.

    Attributes:
        description, owner, card: new text; None leaves it.
        tags: keys to set; a value of None removes the key.
        gates: the new gates, models alone; None leaves them.
    """

    description: str | None = None
    owner: str | None = None
    card: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    gates: tuple[Gate, ...] | None = None


class ModelStore(Protocol):
    """Each change is one transaction, written together with its audit entry; it is durable when the call returns."""

    def model(self, name: str) -> RegisteredModel | None:
        """The model as of one moment; None if there is none."""
        ...

    def models(self) -> list[RegisteredModel]:
        """All models, by name."""
        ...

    def names(self) -> list[str]:
        """The names of all models, sorted."""
        ...

    def pinned_views(self) -> dict[str, list[str]]:
        """The feature view versions that versions in Staging or Production read, each with those versions' addresses."""
        ...

    def versions(self, name: str, numbers: Sequence[int] | None = None) -> list[ModelVersion]:
        """The versions with these numbers that exist, or all; ascending, as of one moment."""
        ...

    def add_version(self, draft: ModelVersion, entry: AuditEntry) -> ModelVersion:
        """Number the draft and keep it, making the model at its first version, with the lineage edge from its logged model.

        A draft that has a number, not 0, keeps it. Raises ConflictError if that one is taken.
        """
        ...

    def add_model(self, draft: RegisteredModel, entry: AuditEntry) -> RegisteredModel:
        """Keep a model that has no versions yet. Raises AlreadyExistsError."""
        ...

    def rename(self, name: str, new: str, entry: AuditEntry) -> None:
        """Give a model with all its versions another name; the trail goes on under that one.

        Raises:
            NotFoundError: there is no such model.
            AlreadyExistsError: the name is taken.
        """
        ...

    def remove(self, name: str, entry: AuditEntry) -> None:
        """Remove a model with its versions; the trail stays. Raises NotFoundError, and ConflictError for one in Production."""
        ...

    def remove_version(self, name: str, version: int, before: Lifecycle, after: Lifecycle, entry: AuditEntry) -> bool:
        """Remove a version and replace the lifecycle, as `commit` does. Its number isn't given to another one."""
        ...

    def commit(self, name: str, before: Lifecycle, after: Lifecycle, entry: AuditEntry) -> bool:
        """Replace the lifecycle if it is still at `before.revision`; False, and nothing changed, if it moved on meanwhile."""
        ...

    def edit(self, name: str, version: int | None, edit: Edit, entry: AuditEntry) -> None:
        """Change texts, tags or gates of a model or of a version. Raises NotFoundError."""
        ...

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Keep figures; earlier ones stay."""
        ...

    def evaluations(self, name: str, versions: Sequence[int]) -> list[Evaluation]:
        """The evaluations of these versions, oldest first."""
        ...


class AuditStore(Protocol):
    """Entries are only ever added."""

    def record(self, subject: str, entry: AuditEntry) -> AuditEntry:
        """Add an entry that changes nothing else, such as a refusal; durable when this returns."""
        ...

    def history(self, subject: str) -> list[AuditEntry]:
        """All entries of a subject, oldest first."""
        ...

    def subjects(self) -> list[str]:
        """The models that have a trail, those that are gone too, by name."""
        ...

    def newest(self, limit: int, *, before: int | None = None, user: str | None = None) -> list[AuditEntry]:
        """The newest entries of all subjects, newest first: those before a moment, or by a user."""
        ...
