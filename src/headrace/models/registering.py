"""Makes versions: from a logged model, from files without one, or from another version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from headrace.errors import InvalidInputError
from headrace.models.audit import Author
from headrace.models.environment import image_facts
from headrace.models.store import ModelStore
from headrace.models.version import ModelVersion, Origin, check_name, check_tags
from headrace.tracking.run import ArtifactEntry, LoggedModel
from headrace.tracking.store import RunStore

__all__ = ["Registering"]


class Registering:
    """Makes versions, each with what is known of its run, and their entries in the audit trail.

    Every method takes the name of the registered model, which is made at first use, the version's texts, and an address of the
    run's page (`link`). It raises InvalidInputError for a name or a tag that can't be used.

    Args:
        settle: called before a run is read, so that everything this process has logged is kept.
        environment: gives the software and the machine that a run ran on.
    """

    def __init__(
        self,
        store: ModelStore,
        runs: RunStore,
        author: Author,
        settle: Callable[[], None],
        environment: Callable[[str], Mapping[str, str]],
    ) -> None:
        self._store = store
        self._settle = settle
        self._runs = runs
        self._author = author
        self._environment = environment

    def logged(
        self,
        model: LoggedModel,
        name: str,
        description: str = "",
        tags: Mapping[str, Any] | None = None,
        *,
        source: str = "",
        link: str = "",
        docker: str = "",
    ) -> ModelVersion:
        """A version from a logged model.

        Args:
            docker: the container image to run it in. Default: the one that its run ran in, if that is known.
            source: what to call the place that it came from. Default: `models:/m-…`.

        Raises:
            InvalidInputError: its files haven't all come.
            NotFoundError: its run isn't there.
        """
        self._author.require("models:write")
        check_name(name)
        if model.status != "READY":
            msg = f"the logged model {model.id} is {model.status}: its files haven't all come; finish it, then register it"
            raise InvalidInputError(msg)
        entry = self._author.entry("register", after={"model_id": model.id, "run_id": model.run_id, **_texts(description, tags)})
        draft = ModelVersion(
            name=name,
            version=0,
            model_id=model.id,
            run_id=model.run_id,
            flavor=model.flavor,
            serializer=model.serializer,
            details=model.details,
            view=model.view,
            signature=model.signature,
            files=model.files,
            requirements=model.requirements,
            user=entry.user,
            created=entry.time,
            description=description,
            tags=check_tags(tags or {}),
            source=source or f"models:/{model.id}",
            link=link,
            origin=self._origin(model.run_id, docker),
        )
        return self._store.add_version(draft, entry)

    def files(
        self,
        files: Sequence[ArtifactEntry],
        name: str,
        description: str = "",
        tags: Mapping[str, Any] | None = None,
        *,
        source: str,
        run_id: str = "",
        link: str = "",
    ) -> ModelVersion:
        """A version from files though no model was logged: those of a run, or none for a place that isn't ours.

        Args:
            files: what is kept with the version, by paths within the model.
            source: the place that they came from, `mlflow-artifacts:/0/RUN/artifacts/model` or `s3://…`.
            run_id: the run that made them; empty if none is known.

        Raises:
            NotFoundError: there is no such run.
        """
        self._author.require("models:write")
        check_name(name)
        entry = self._author.entry("register", after={"source": source, "run_id": run_id, **_texts(description, tags)})
        draft = ModelVersion(
            name=name,
            version=0,
            model_id="",
            run_id=run_id,
            flavor="mlflow",
            files=tuple(files),
            user=entry.user,
            created=entry.time,
            description=description,
            tags=check_tags(tags or {}),
            source=source,
            link=link,
            origin=self._origin(run_id),
        )
        return self._store.add_version(draft, entry)

    def copy(
        self, version: ModelVersion, name: str, description: str = "", tags: Mapping[str, Any] | None = None, *, link: str = ""
    ) -> ModelVersion:
        """A version from one of another model, in no stage."""
        self._author.require("models:write")
        check_name(name)
        entry = self._author.entry(
            "register", after={"copied": version.uri, "model_id": version.model_id, **_texts(description, tags)}
        )
        draft = replace(
            version,
            name=name,
            version=0,
            stage="None",
            aliases=(),
            user=entry.user,
            created=entry.time,
            updated=entry.time,
            description=description,
            tags=check_tags(tags or {}),
            source=version.uri,
            link=link,
        )
        return self._store.add_version(draft, entry)

    def _origin(self, run_id: str, docker: str = "") -> Origin:
        declared = image_facts(docker)
        if not run_id:
            return Origin(environment=declared)
        self._settle()
        (run,) = self._runs.get([run_id])
        known = {**self._environment(run.id), **declared}
        return Origin(metrics=run.metrics, params=run.params, datasets=run.inputs, tags=run.tags, environment=known)


def _texts(description: str, tags: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was said of a version when it was registered, for its entry in the trail."""
    said = {"description": description, "tags": check_tags(tags or {})}
    return {name: value for name, value in said.items() if value}
