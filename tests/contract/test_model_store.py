"""The contracts of the registry's stores: models, versions, evaluations, and the trail that goes with every change."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from headrace.errors import NotFoundError
from headrace.flavors.signature import Column, Signature
from headrace.models.audit import AuditEntry, verify
from headrace.models.gates import Evaluation, Gate
from headrace.models.lifecycle import move, point_alias
from headrace.models.store import Edit
from headrace.models.version import ModelVersion, Origin
from headrace.sql.audit import SqlAuditStore
from headrace.sql.database import Database
from headrace.sql.lineage import SqlLineageStore
from headrace.sql.models import SqlModelStore
from headrace.tracking.run import ArtifactEntry, DatasetInput

ENTRY = AuditEntry(action="register", user="ada", time=7)
DRAFT = ModelVersion(
    name="ranker",
    version=0,
    model_id="m-1",
    run_id="r-1",
    flavor="sklearn",
    serializer="skops",
    details={"types": ["a.B"]},
    view="ranking:3",
    signature=Signature((Column("age", "int64"),), (Column("prediction", "float64"),)),
    files=(ArtifactEntry("model.skops", "ab" * 32, 10),),
    requirements=("scikit-learn==1.9.1",),
    user="ada",
    created=7,
    description="first",
    tags={"team": "recsys"},
    origin=Origin(
        metrics={"auc": 0.8, "broken": float("inf")},
        params={"depth": "6"},
        datasets=(DatasetInput(name="autumn", digest="cd", urn="training_set:autumn:1"),),
        tags={"mlflow.user": "ada"},
    ),
)


@pytest.fixture
def database(catalog_url):
    database = Database(catalog_url)
    yield database
    database.close()


@pytest.fixture
def store(database):
    return SqlModelStore(database)


@pytest.fixture
def audit(database):
    return SqlAuditStore(database)


def crown(store, version):
    before = store.model("ranker").lifecycle
    return store.commit("ranker", before, move(before, version, "Production"), replace(ENTRY, action="promote", version=version))


def test_versions_count_from_one_and_keep_everything(store):
    assert store.add_version(DRAFT, ENTRY).version == 1
    assert store.add_version(DRAFT, ENTRY).version == 2
    first, second = store.versions("ranker")
    assert first == replace(DRAFT, version=1, updated=7)
    assert (second.version, second.uri) == (2, "models:/ranker/2")


def test_each_model_counts_for_itself(store):
    store.add_version(DRAFT, ENTRY)
    assert store.add_version(replace(DRAFT, name="other"), ENTRY).version == 1
    assert [model.name for model in store.models()] == store.names() == ["other", "ranker"]


def test_what_is_not_there_is_none(store):
    assert store.model("ranker") is None
    assert store.models() == store.versions("ranker") == store.evaluations("ranker", [1]) == []
    store.add_version(DRAFT, ENTRY)
    assert store.versions("ranker", [2]) == []


def test_registering_writes_the_lineage_edge(store, database):
    store.add_version(DRAFT, ENTRY)
    (edge,) = SqlLineageStore(database).into(["models:/ranker/1"])
    assert (edge.source, edge.kind) == ("logged_model:m-1", "registers")


def test_a_lifecycle_comes_back_as_it_was_committed(store):
    for _ in range(3):
        store.add_version(DRAFT, ENTRY)
    state = store.model("ranker").lifecycle
    steps = [(1, "Production"), (2, "Staging"), (3, "Production"), (1, "Staging"), (2, "Archived")]
    for version, stage in steps:
        after = move(state, version, stage)
        assert store.commit("ranker", state, after, ENTRY)
        assert store.model("ranker").lifecycle == after
        state = after
    after = point_alias(state, "blue", 2)
    assert store.commit("ranker", state, after, ENTRY)
    assert store.model("ranker").lifecycle == after
    assert [(v.version, v.stage, v.aliases) for v in store.versions("ranker")] == [
        (1, "Staging", ("challenger",)),
        (2, "Archived", ("blue",)),
        (3, "Production", ("champion",)),
    ]


def test_a_decision_on_an_older_state_changes_nothing(store, audit):
    store.add_version(DRAFT, ENTRY)
    store.add_version(DRAFT, ENTRY)
    old = store.model("ranker").lifecycle
    assert crown(store, 1)
    assert not store.commit("ranker", old, move(old, 2, "Production"), ENTRY)
    assert store.model("ranker").champion == 1
    assert [entry.action for entry in audit.history("ranker")] == ["register", "register", "promote"]


def test_new_gates_outdate_a_decision(store):
    store.add_version(DRAFT, ENTRY)
    old = store.model("ranker").lifecycle
    store.edit("ranker", None, Edit(gates=(Gate("auc", at_least=0.9),)), ENTRY)
    assert not store.commit("ranker", old, move(old, 1, "Production"), ENTRY)
    assert store.model("ranker").gates == (Gate("auc", at_least=0.9),)


def test_the_database_itself_refuses_a_second_champion(store, database):
    store.add_version(DRAFT, ENTRY)
    store.add_version(DRAFT, ENTRY)
    crown(store, 1)
    with pytest.raises(sa.exc.IntegrityError), database.write() as connection:
        connection.execute(sa.text("UPDATE model_versions SET stage = 'Production'"))


def test_texts_and_tags_of_a_model_and_of_a_version_are_edited_apart(store):
    store.add_version(DRAFT, ENTRY)
    store.edit("ranker", None, Edit(description="all", tags={"a": "1", "b": "2"}), ENTRY)
    store.edit("ranker", None, Edit(tags={"a": None}), ENTRY)
    store.edit("ranker", 1, Edit(tags={"team": "ads"}), replace(ENTRY, time=9))
    model, (version,) = store.model("ranker"), store.versions("ranker")
    assert (model.description, model.tags, model.updated) == ("all", {"b": "2"}, 7)
    assert (version.description, version.tags, version.updated) == ("first", {"team": "ads"}, 9)


def test_editing_what_is_not_there_is_an_error(store):
    with pytest.raises(NotFoundError, match="no model 'ranker'"):
        store.edit("ranker", None, Edit(), ENTRY)
    store.add_version(DRAFT, ENTRY)
    with pytest.raises(NotFoundError, match="no version 2"):
        store.edit("ranker", 2, Edit(), ENTRY)


def test_evaluations_come_back_oldest_first(store):
    store.add_version(DRAFT, ENTRY)
    store.add_version(DRAFT, ENTRY)
    base = {"name": "ranker", "dataset": "holdout", "fingerprint": "f", "label": "y", "rows": 3, "user": "ada", "time": 1}
    made = [
        Evaluation(**base, version=version, figures={"auc": auc}) for version, auc in [(2, 0.5), (1, 0.25), (2, float("nan"))]
    ]
    for evaluation in made:
        store.add_evaluation(evaluation)
    assert store.evaluations("ranker", [1, 2])[:2] == made[:2]
    assert len(store.evaluations("ranker", [2])) == 2


def test_a_refusal_is_recorded_by_itself_and_the_chain_holds(store, audit):
    store.add_version(DRAFT, ENTRY)
    audit.record("ranker", replace(ENTRY, action="refuse", report={"figures": [0.1, float("inf")]}))
    crown(store, 1)
    entries = audit.history("ranker")
    assert [(entry.seq, entry.action) for entry in entries] == [(1, "register"), (2, "refuse"), (3, "promote")]
    verify(entries)
    assert audit.history("other") == []


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET action = 'x'", "DELETE FROM audit", "REPLACE INTO audit SELECT * FROM audit"]
)
def test_the_trail_can_not_be_changed_through_the_database(store, database, statement):
    store.add_version(DRAFT, ENTRY)
    if database.engine.dialect.name == "postgresql":
        statement = statement.replace("REPLACE INTO audit SELECT * FROM audit", "TRUNCATE audit")
    with database.engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="append-only"):
        connection.exec_driver_sql(statement)
