"""The model registry in SQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from headrace.errors import AlreadyExistsError, ConflictError, NotFoundError
from headrace.flavors.signature import Signature
from headrace.lineage.store import Edge
from headrace.models.audit import AuditEntry
from headrace.models.gates import Evaluation, Gate
from headrace.models.lifecycle import STAGES, Lifecycle, add
from headrace.models.store import Edit
from headrace.models.version import ModelVersion, Origin, RegisteredModel
from headrace.sql.audit import append
from headrace.sql.database import Database
from headrace.sql.lineage import add_edges, rename_nodes
from headrace.sql.requests import settle
from headrace.sql.tables import registry as t
from headrace.tracking.run import ArtifactEntry, DatasetInput

__all__ = ["SqlModelStore"]

Row = sa.Row[Any]


class SqlModelStore:
    """A ModelStore in the catalog. A change, its audit entry and its lineage are one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def model(self, name: str) -> RegisteredModel | None:
        """The model as of one moment; None if there is none."""
        with self._database.read() as connection:
            return next(iter(_models(connection, name)), None)

    def models(self) -> list[RegisteredModel]:
        """All models, by name."""
        with self._database.read() as connection:
            return _models(connection, None)

    def names(self) -> list[str]:
        """The names of all models, sorted."""
        with self._database.read() as connection:
            return list(connection.scalars(sa.select(t.models.c.name).order_by(t.models.c.name)))

    def pinned_views(self) -> dict[str, list[str]]:
        """The feature view versions that versions in Staging or Production read, each with those versions' addresses."""
        c = t.versions.c
        query = sa.select(c.view, c.name, c.version).where(c.stage.in_(("Staging", "Production")), c.view != "")
        found: dict[str, list[str]] = {}
        with self._database.read() as connection:
            for view, name, version in connection.execute(query.order_by(c.name, c.version)):
                found.setdefault(view, []).append(f"models:/{name}/{version}")
        return found

    def versions(self, name: str, numbers: Sequence[int] | None = None) -> list[ModelVersion]:
        """The versions with these numbers that exist, or all; ascending, as of one moment."""
        query = sa.select(t.versions).where(t.versions.c.name == name).order_by(t.versions.c.version)
        if numbers is not None:
            query = query.where(t.versions.c.version.in_(numbers))
        with self._database.read() as connection:
            models = _models(connection, name)
            return [_version(row, models[0].lifecycle) for row in connection.execute(query)] if models else []

    def add_version(self, draft: ModelVersion, entry: AuditEntry) -> ModelVersion:
        """Number the draft and keep it, making the model at its first version, with the lineage edge from its logged model."""
        with self._database.write() as connection:
            model = next(iter(_models(connection, draft.name)), None)
            state = model.lifecycle if model else Lifecycle()
            number = draft.version or max(*state.versions, _last_number(connection, draft.name), 0) + 1
            if number in state.versions:
                msg = f"the model {draft.name!r} has a version {number} already"
                raise ConflictError(msg)
            version = replace(draft, version=number, stage="None", aliases=(), updated=draft.updated or draft.created)
            if model is None:
                fresh = RegisteredModel(name=draft.name, created=draft.created, updated=draft.created)
                connection.execute(t.models.insert().values(_model_row(fresh)))
            connection.execute(t.versions.insert().values(_version_row(version)))
            _save(connection, draft.name, state, add(state, version.version), draft.created)
            append(connection, draft.name, replace(entry, version=version.version))
            source = f"logged_model:{draft.model_id}" if draft.model_id else f"run:{draft.run_id}" if draft.run_id else ""
            add_edges(connection, [Edge(source, version.urn, "registers", draft.created)] if source else [])
            return version

    def add_model(self, draft: RegisteredModel, entry: AuditEntry) -> RegisteredModel:
        """Keep a model that has no versions yet. Raises AlreadyExistsError."""
        with self._database.write() as connection:
            _require_free(connection, draft.name)
            connection.execute(t.models.insert().values(_model_row(draft)))
            append(connection, draft.name, entry)
        return draft

    def rename(self, name: str, new: str, entry: AuditEntry) -> None:
        """Give a model with all its versions another name; the trail goes on under that one."""
        with self._database.write() as connection:
            model = _locked(connection, name)
            _require_free(connection, new)
            row = connection.execute(sa.select(t.models).where(t.models.c.name == name)).mappings().one()
            connection.execute(t.models.insert().values({**row, "name": new, "updated": entry.time}))
            held = connection.execute(sa.select(t.versions).where(t.versions.c.name == name)).mappings().all()
            for version in held:
                connection.execute(t.versions.insert().values({**version, "name": new}))
            for table in (t.aliases, t.evaluations, t.requests):
                connection.execute(table.update().where(table.c.name == name).values(name=new))
            for table in (t.versions, t.models):
                connection.execute(table.delete().where(table.c.name == name))
            rename_nodes(connection, {f"models:/{name}/{row['version']}": f"models:/{new}/{row['version']}" for row in held})
            state = model.lifecycle
            stages = {str(number): state.stage_of(number) for number in state.versions}
            append(connection, name, replace(entry, action="renamed away", after={"name": new}))
            append(connection, new, replace(entry, after={"name": new, "stages": stages, "aliases": state.aliases}))

    def remove(self, name: str, entry: AuditEntry) -> None:
        """Remove a model with its versions; the trail stays."""
        with self._database.write() as connection:
            champion = _locked(connection, name).champion
            if champion is not None:
                msg = f"version {champion} of {name!r} is in Production; archive it, and delete the model then"
                raise ConflictError(msg)
            for table in (t.requests, t.evaluations, t.aliases, t.versions, t.models):
                connection.execute(table.delete().where(table.c.name == name))
            append(connection, name, entry)

    def remove_version(self, name: str, version: int, before: Lifecycle, after: Lifecycle, entry: AuditEntry) -> bool:
        """Remove a version and replace the lifecycle, as `commit` does. Its number isn't given to another one."""
        with self._database.write() as connection:
            if _locked(connection, name).lifecycle.revision != before.revision:
                return False
            for table in (t.requests, t.evaluations, t.aliases, t.versions):
                connection.execute(table.delete().where(table.c.name == name, table.c.version == version))
            _save_model(connection, name, after, entry.time)
            append(connection, name, entry)
            return True

    def commit(self, name: str, before: Lifecycle, after: Lifecycle, entry: AuditEntry) -> bool:
        """Replace the lifecycle if it is still at `before.revision`; False, and nothing changed, if it moved on meanwhile."""
        with self._database.write() as connection:
            query = sa.select(t.models.c.revision).where(t.models.c.name == name).with_for_update()
            if connection.execute(query).scalar() != before.revision:
                return False
            _save(connection, name, before, after, entry.time)
            append(connection, name, entry)
            return True

    def edit(self, name: str, version: int | None, edit: Edit, entry: AuditEntry) -> None:
        """Change texts, tags or gates of a model or of a version. Raises NotFoundError."""
        table: sa.Table = t.models if version is None else t.versions
        key = table.c.name == name if version is None else (table.c.name == name) & (table.c.version == version)
        with self._database.write() as connection:
            row = connection.execute(sa.select(table).where(key).with_for_update()).first()
            if row is None:
                msg = f"no model {name!r}" if version is None else f"no version {version} of the model {name!r}"
                raise NotFoundError(msg)
            changed = _edited(row.tags, edit) | ({} if version is None else {"updated": entry.time})
            connection.execute(table.update().where(key).values(changed))
            # New gates count as a change of state: a promotion that was judged by the old ones has to be judged again.
            revision = t.models.c.revision + (0 if edit.gates is None else 1)
            touched: dict[str, Any] = {"updated": entry.time} if version is None else {}
            connection.execute(t.models.update().where(t.models.c.name == name).values(**touched, revision=revision))
            append(connection, name, entry)

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Keep figures; earlier ones stay."""
        with self._database.write() as connection:
            connection.execute(t.evaluations.insert().values(asdict(evaluation)))

    def evaluations(self, name: str, versions: Sequence[int]) -> list[Evaluation]:
        """The evaluations of these versions, oldest first."""
        table = t.evaluations
        query = sa.select(table).where(table.c.name == name, table.c.version.in_(versions)).order_by(table.c.id)
        with self._database.read() as connection:
            return [_evaluation(row) for row in connection.execute(query)]


def _models(connection: sa.Connection, name: str | None) -> list[RegisteredModel]:
    def of(table: sa.Table, *columns: Any) -> sa.Select[Any]:
        query = sa.select(*columns)
        return query.where(table.c.name == name) if name is not None else query

    v, a = t.versions.c, t.aliases.c
    # The database gathers the numbers: a catalog may hold a hundred thousand versions, and each row of an answer costs.
    numbers = sa.func.json_agg(v.version) if connection.dialect.name == "postgresql" else sa.func.json_group_array(v.version)
    query = of(t.versions, v.name, v.stage, v.reigned, numbers).group_by(v.stage, v.name, v.reigned)
    stages = _by_name(connection.execute(query).all())
    aliases = _by_name(connection.execute(of(t.aliases, a.name, a.alias, a.version)).all())
    rows = connection.execute(of(t.models, *t.models.c).order_by(t.models.c.name))
    return [_model(row, stages.get(row.name, []), aliases.get(row.name, [])) for row in rows]


def _by_name(rows: Iterable[Sequence[Any]]) -> dict[str, list[Sequence[Any]]]:
    out: dict[str, list[Sequence[Any]]] = {}
    for name, *rest in rows:
        out.setdefault(name, []).append(rest)
    return out


def _model(row: Row, stages: Sequence[Sequence[Any]], aliases: Sequence[Sequence[Any]]) -> RegisteredModel:
    in_stage: dict[str, list[int]] = {stage: [] for stage in STAGES}
    kings: list[int] = []
    for stage, reigned, gathered in stages:
        numbers = json.loads(gathered) if isinstance(gathered, str) else gathered
        in_stage[stage] += numbers
        kings += numbers if reigned else []
    lifecycle = Lifecycle(
        idle=frozenset(in_stage["None"]),
        staging=tuple(row.staging),
        production=next(iter(in_stage["Production"]), None),
        archived=frozenset(in_stage["Archived"]),
        predecessors=tuple(row.predecessors),
        reigned=frozenset(kings),
        pointers={str(alias): int(version) for alias, version in aliases},
        revision=row.revision,
    )
    return RegisteredModel(
        name=row.name,
        lifecycle=lifecycle,
        gates=tuple(Gate.from_dict(gate) for gate in row.gates),
        description=row.description,
        tags=row.tags,
        owner=row.owner,
        card=row.card,
        created=row.created,
        updated=row.updated,
    )


def _version(row: Row, lifecycle: Lifecycle) -> ModelVersion:
    origin = Origin(**{**row.origin, "datasets": tuple(DatasetInput(**dataset) for dataset in row.origin["datasets"])})
    return ModelVersion(
        name=row.name,
        version=row.version,
        stage=lifecycle.stage_of(row.version),
        aliases=lifecycle.aliases_of(row.version),
        model_id=row.model_id,
        run_id=row.run_id,
        flavor=row.flavor,
        serializer=row.serializer,
        details=row.details,
        view=row.view,
        signature=None if row.signature is None else Signature.from_spec(row.signature),
        files=tuple(ArtifactEntry(**file) for file in row.files),
        requirements=tuple(row.requirements),
        user=row.user,
        created=row.created,
        description=row.description,
        tags=row.tags,
        updated=row.updated,
        source=row.source,
        link=row.link,
        owner=row.owner,
        card=row.card,
        origin=origin,
    )


def _version_row(version: ModelVersion) -> dict[str, Any]:
    values = asdict(version)
    del values["aliases"]
    return {**values, "reigned": False, "signature": None if version.signature is None else version.signature.to_spec()}


def _evaluation(row: Row) -> Evaluation:
    return Evaluation(**{name: value for name, value in row._asdict().items() if name != "id"})


def _model_row(model: RegisteredModel) -> dict[str, Any]:
    texts = {"name": model.name, "description": model.description, "tags": dict(model.tags)}
    empty: dict[str, Any] = {"gates": [], "staging": [], "predecessors": [], "revision": 0}
    return {**texts, **empty, "created": model.created, "updated": model.updated}


def _locked(connection: sa.Connection, name: str) -> RegisteredModel:
    """The model, which nobody else changes until the transaction ends. Raises NotFoundError."""
    connection.execute(sa.select(t.models.c.name).where(t.models.c.name == name).with_for_update())
    found = _models(connection, name)
    if not found:
        msg = f"Registered Model with name={name} not found"
        raise NotFoundError(msg)
    return found[0]


def _require_free(connection: sa.Connection, name: str) -> None:
    if connection.execute(sa.select(t.models.c.name).where(t.models.c.name == name)).first() is not None:
        msg = f"Registered Model (name={name}) already exists."
        raise AlreadyExistsError(msg)


def _last_number(connection: sa.Connection, name: str) -> int:
    """The highest number that a version of this name ever had: the trail remembers those that are gone."""
    query = sa.select(sa.func.max(t.audit.c.version)).where(t.audit.c.subject == name)
    return connection.execute(query).scalar() or 0


def _save_model(connection: sa.Connection, name: str, after: Lifecycle, time: int) -> None:
    values = {"revision": after.revision, "staging": after.staging, "predecessors": after.predecessors, "updated": time}
    connection.execute(t.models.update().where(t.models.c.name == name).values(values))


def _save(connection: sa.Connection, name: str, before: Lifecycle, after: Lifecycle, time: int) -> None:
    _save_model(connection, name, after, time)
    moved = [number for number in before.versions if before.stage_of(number) != after.stage_of(number)]
    # Production last: the index that allows one of them must see the old one gone.
    for number in sorted(moved, key=lambda number: number == after.production):
        key = (t.versions.c.name == name) & (t.versions.c.version == number)
        values = {"stage": after.stage_of(number), "reigned": number in after.reigned, "updated": time}
        connection.execute(t.versions.update().where(key).values(values))
        settle(connection, name, number, after.stage_of(number), time)
    if before.pointers != after.pointers:
        _save_pointers(connection, name, before.pointers, after.pointers)


def _save_pointers(connection: sa.Connection, name: str, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    changed = [alias for alias in {**before, **after} if before.get(alias) != after.get(alias)]
    connection.execute(t.aliases.delete().where(t.aliases.c.name == name, t.aliases.c.alias.in_(changed)))
    rows = [{"name": name, "alias": alias, "version": after[alias]} for alias in changed if alias in after]
    if rows:
        connection.execute(t.aliases.insert(), rows)


def _edited(tags: Mapping[str, str], edit: Edit) -> dict[str, Any]:
    merged = {key: value for key, value in {**tags, **edit.tags}.items() if value is not None}
    values: dict[str, Any] = {"tags": merged}
    texts = {"description": edit.description, "owner": edit.owner, "card": edit.card}
    values |= {name: text for name, text in texts.items() if text is not None}
    if edit.gates is not None:
        values["gates"] = [gate.to_dict() for gate in edit.gates]
    return values
