"""The verbs of the registry, over the real stores."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from headrace.errors import (
    ConflictError,
    GateError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    UnsafeModelError,
)
from headrace.lineage.graph import Lineage
from headrace.models.gates import Gate, GateReport
from headrace.sql.lineage import SqlLineageStore
from headrace.tracking.run import ArtifactEntry, LoggedModel
from unit.models.world import Always, Explosive, classifier, people


def actions(models):
    return [(entry.action, entry.version) for entry in models.history("ranker")]


def stages(models):
    return [version.stage for version in models.versions("ranker")]


# --- register, find ---


def test_a_version_keeps_what_the_run_and_the_model_say(world, models):
    logged = world.log(classifier(), example=people()[["a", "b"]], params={"depth": "6"}, metrics={"auc": 0.8}, tags={"k": "v"})
    version = models.register(logged, "ranker", "first", {"team": "recsys"})
    assert (version.version, version.stage, version.aliases, version.user) == (1, "None", (), "ada")
    assert (version.model_id, version.run_id, version.view, version.files) == (
        logged.id,
        logged.run_id,
        "ranking:3",
        logged.files,
    )
    assert (version.metrics, version.origin.params, version.origin.tags["k"]) == ({"auc": 0.8}, {"depth": "6"}, "v")
    assert [data.urn for data in version.datasets] == ["training_set:autumn:1"]
    assert (version.size, version.signature) == (logged.size, logged.signature)
    assert models.get("ranker", 1) == version


def test_the_same_model_registered_again_is_another_version(world, models):
    logged = world.log(Always(1), "pickle")
    assert [models.register(logged, "ranker").version for _ in range(2)] == [1, 2]


def test_a_logged_model_is_registered_by_its_id(world, models):
    logged = world.log(Always(1), "pickle")
    versions = [models.register(name, "ranker") for name in (logged.id, f"models:/{logged.id}", logged.urn)]
    assert [(version.version, version.model_id) for version in versions] == [(number, logged.id) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (None, InvalidInputError, "a value of type NoneType isn't a logged model"),
        ("runs:/abc/model", InvalidInputError, "'runs:/abc/model' isn't a logged model"),
        ("m-nope", NotFoundError, "m-nope"),
    ],
)
def test_what_is_no_logged_model_is_not_registered(models, model, error, message):
    with pytest.raises(error, match=message):
        models.register(model, "ranker")
    assert models.list() == []


def test_a_version_is_not_registered_again(world, models):
    world.register(1)
    with pytest.raises(InvalidInputError, match="'models:/ranker/1' isn't a logged model"):
        models.register("models:/ranker/1", "other")


def test_one_gate_needs_no_list_and_what_is_no_gate_is_refused(world, models):
    world.register(1)
    models.set_gates("ranker", Gate("auc"))
    for wrong in ("auc", ["auc"], [None], 5):
        with pytest.raises(InvalidInputError, match="isn't a gate; give a list of gates"):
            models.set_gates("ranker", wrong)
    assert models.gates("ranker") == [Gate("auc")]


def test_the_container_image_is_kept_with_its_digest(world, models):
    model = world.log(Always(0.5), "pickle", view="")
    image = "ghcr.io/team/ranker:1.4@sha256:" + "0f" * 32
    made = models.register(model, "ranker", docker=image)
    assert made.origin.environment == {"image": image, "image digest": "sha256:" + "0f" * 32}
    assert models.register(model, "ranker", docker="ranker:1.4").origin.environment == {"image": "ranker:1.4"}
    for bad in ("two words", "@sha256:00", "ranker@sha256:xyz", "ranker\n"):
        with pytest.raises(InvalidInputError, match="can't name a container image"):
            models.register(model, "ranker", docker=bad)
    assert len(models.versions("ranker")) == 2
    card = models.card("ranker", 1)
    assert f"| image | {image} |" in card
    assert "Nobody has described" in card
    models.describe("ranker", "Ranks films.", 1)
    assert models.card("ranker", 1).splitlines()[2] == "Ranks films."


def test_a_name_or_a_tag_that_cant_be_registers_nothing(world, models):
    logged = world.log(Always(1), "pickle")
    with pytest.raises(InvalidInputError, match="can't name a model"):
        models.register(logged, "a/b")
    for tags in ({"team": "a\0b"}, {"a\0b": "team"}, {"team": "caf\udce9"}):
        with pytest.raises(InvalidInputError, match="no catalog can keep"):
            models.register(logged, "ranker", tags=tags)
    assert models.list() == []


def test_a_version_is_found_by_number_alias_stage_and_latest(world, models):
    world.register(5)
    models.promote("ranker", 2)
    models.transition("ranker", 4, "Staging")
    models.transition("ranker", 3, "Staging")
    models.set_alias("ranker", "blue", 1)
    asked = [1, "2", "@champion", "@challenger", "@blue", "Production", "staging", "latest", "None"]
    assert [models.get("ranker", selector).version for selector in asked] == [1, 2, 2, 3, 1, 2, 3, 5, 5]


def test_addresses_resolve(world, models):
    version = world.register(2)
    models.promote("ranker", 1)
    uris = ["models:/ranker/2", "models:/ranker@champion", "models:/ranker/Production", "models:/ranker/latest"]
    assert [models.resolve(uri).version for uri in uris] == [2, 1, 1, 2]
    logged = models.resolve(f"models:/{version.model_id}")
    assert isinstance(logged, LoggedModel)
    assert logged.id == version.model_id


@pytest.mark.parametrize(
    ("name", "selector", "message"),
    [
        ("rankr", "latest", "did you mean 'ranker'"),
        ("ranker", 7, "version of 'ranker' named '7'"),
        ("ranker", "@champion", "has no champion"),
        ("ranker", "@bleu", "did you mean 'blue'"),
        ("ranker", "Archived", "no version in Archived"),
    ],
)
def test_what_is_not_there_is_an_error_that_helps(world, models, name, selector, message):
    world.register()
    models.set_alias("ranker", "blue", 1)
    with pytest.raises(NotFoundError, match=message):
        models.get(name, selector)


@pytest.mark.parametrize("selector", ["champion", "Prod", 1.0, None, ""])
def test_a_selector_that_is_none_says_what_would_be(world, models, selector):
    world.register()
    models.promote("ranker", 1)
    with pytest.raises(InvalidInputError, match="a number, '@ALIAS', 'latest' or a stage"):
        models.get("ranker", selector)


def test_protected_aliases_do_not_move_by_hand(world, models):
    world.register()
    for alias in ("champion", "challenger"):
        with pytest.raises(ConflictError, match="moves only with it"):
            models.set_alias("ranker", alias, 1)
        with pytest.raises(ConflictError, match="moves only with it"):
            models.delete_alias("ranker", alias)


def test_texts_tags_and_aliases_change_and_are_in_the_history(world, models):
    world.register()
    models.set_alias("ranker", "blue", 1)
    models.set_alias("ranker", "blue", 1)
    models.delete_alias("ranker", "blue")
    models.delete_alias("ranker", "blue")
    models.set_tag("ranker", "team", "ads")
    models.set_tag("ranker", "tested", True, version=1)
    models.set_tag("ranker", "team", None)
    models.describe("ranker", "ranks films", version="latest")
    model, version = models.model("ranker"), models.get("ranker", 1)
    assert (model.tags, version.tags, version.description, version.aliases) == ({}, {"tested": "True"}, "ranks films", ())
    assert [action for action, _ in actions(models)] == ["register", "alias", "alias", "tag", "tag", "tag", "describe"]
    assert models.history("ranker")[5].before == {"tags": {"team": "ads"}}


# --- promote, roll back ---


def test_a_promotion_archives_the_champion_before_it(world, models):
    world.register(2)
    models.promote("ranker", 1)
    models.promote("ranker", 2, reason="better")
    assert stages(models) == ["Archived", "Production"]
    entry = models.history("ranker")[-1]
    assert (entry.action, entry.version, entry.user, entry.reason) == ("promote", 2, "ada", "better")
    assert entry.before == {"stages": {"1": "Production", "2": "None"}, "aliases": {"champion": 1}}
    assert entry.after == {"stages": {"1": "Archived", "2": "Production"}, "aliases": {"champion": 2}}


def test_a_promotion_that_the_gates_refuse_changes_nothing_but_the_history(world, models):
    world.register(2)
    models.promote("ranker", 1)
    models.set_gates("ranker", [Gate("auc")])
    with pytest.raises(GateError, match="not comparable") as caught:
        models.promote("ranker", 2, reason="please")
    assert stages(models) == ["Production", "None"]
    entry = models.history("ranker")[-1]
    assert (entry.action, entry.version, entry.reason) == ("refuse", 2, "please")
    assert GateReport.from_dict(entry.report) == caught.value.report


def test_transition_to_production_asks_the_gates_too(world, models):
    world.register()
    models.set_gates("ranker", [Gate("auc", at_least=0.5)])
    with pytest.raises(GateError):
        models.transition("ranker", 1, "Production")
    assert stages(models) == ["None"]


def test_the_first_version_passes_a_comparison_with_a_note(world, models):
    world.register()
    models.set_gates("ranker", [Gate("auc")])
    report = models.promote("ranker", 1)
    assert "no champion" in report.conditions[0].explanation
    assert models.history("ranker")[-1].report["conditions"][0]["passed"] is True


def test_force_needs_a_reason_and_shows(world, models):
    world.register()
    models.set_gates("ranker", [Gate("auc", at_least=0.5)])
    with pytest.raises(InvalidInputError, match="needs a reason"):
        models.promote("ranker", 1, force=True)
    report = models.promote("ranker", 1, force=True, reason="the old one burns")
    assert (report.passed, report.forced) == (False, True)
    assert models.history("ranker")[-1].report["forced"] is True


def test_promoting_the_champion_again_changes_nothing(world, models):
    world.register()
    models.promote("ranker", 1)
    before = models.history("ranker")
    assert "already in Production" in models.promote("ranker", 1).note
    assert models.history("ranker") == before


def test_an_archived_version_comes_back_by_restore_or_rollback_alone(world, models):
    world.register()
    models.transition("ranker", 1, "Archived")
    with pytest.raises(ConflictError, match="restore it to Staging first"):
        models.promote("ranker", 1)
    assert models.transition("ranker", 1, "Staging").aliases == ("challenger",)
    assert actions(models)[-2:] == [("archive", 1), ("restore", 1)]


def test_rolled_back_and_forward_again(world, models):
    world.register(3)
    for version in (1, 2, 3):
        models.promote("ranker", version)
    assert models.rollback("ranker", reason="bad").version == 2
    assert stages(models) == ["Archived", "Production", "Archived"]
    assert models.rollback("ranker").version == 1
    assert models.rollback("ranker", to=3).aliases == ("champion",)
    assert actions(models)[-3:] == [("rollback", 2), ("rollback", 1), ("rollback", 3)]


@pytest.mark.parametrize("damage", ["gone", "truncated"])
@pytest.mark.parametrize("verb", ["promote", "rollback"])
def test_a_version_whose_file_is_gone_does_not_get_to_production(world, models, damage, verb):
    world.models.register(world.log(Always(1), "pickle"), "ranker")
    models.promote("ranker", 1)
    models.register(world.log(Always(2), "pickle"), "ranker")
    models.promote("ranker", 2)
    broken = models.get("ranker", 1)
    if verb == "promote":
        broken = models.register(world.log(Always(3), "pickle"), "ranker")
    spoil(world, broken.files[0], damage)
    with pytest.raises(IntegrityError, match="put the file back"):
        models.promote("ranker", broken.version) if verb == "promote" else models.rollback("ranker")
    assert models.model("ranker").champion == 2


def spoil(world, file: ArtifactEntry, damage: str) -> None:
    (path,) = [path for path in (world.folder / "artifacts").rglob("*") if file.digest in path.as_posix().replace("/", "")]
    path.chmod(0o600)
    if damage == "gone":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.write_bytes(bytes(len(path.read_bytes())))


# --- the history ---


def test_an_untouched_history_is_verified(world, models):
    world.register(3)
    models.promote("ranker", 1)
    models.set_alias("ranker", "blue", 1)
    models.transition("ranker", 2, "Staging")
    models.promote("ranker", 2)
    models.rollback("ranker")
    models.delete_alias("ranker", "blue")
    assert models.verify_history("ranker") == len(models.history("ranker")) == 9


def test_the_history_of_a_model_that_is_gone_can_be_read_and_verified(world, models):
    world.register(1)
    models.create("gone")
    models.delete("gone")
    assert models.trails() == ["gone", "ranker"]
    assert [entry.action for entry in models.history("gone")] == ["create", "delete"]
    assert models.verify_history("gone") == 2
    with world.database.write() as connection:
        connection.execute(sa.text("DROP TRIGGER audit_no_update"))
        connection.execute(sa.text("UPDATE audit SET user = 'eve' WHERE subject = 'gone'"))
    with pytest.raises(IntegrityError, match="backup"):
        models.verify_history("gone")
    with pytest.raises(NotFoundError, match="ranker"):
        models.history("rankr")


@pytest.mark.parametrize(
    "statements",
    [
        ["DROP TRIGGER audit_no_update", "UPDATE audit SET user = 'eve' WHERE seq = 2"],
        ["DROP TRIGGER audit_no_delete", "DELETE FROM audit WHERE seq = 3"],
        ["DROP TRIGGER audit_no_delete", "DELETE FROM audit WHERE seq = 4"],
        ["UPDATE model_versions SET stage = 'None'", "UPDATE model_versions SET stage = 'Production' WHERE version = 1"],
        ["INSERT INTO model_aliases VALUES ('ranker', 'blue', 1)"],
    ],
)
def test_what_was_changed_past_the_registry_shows(world, models, statements):
    world.register(2)
    models.promote("ranker", 1)
    models.promote("ranker", 2)
    with world.database.write() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    with pytest.raises(IntegrityError, match="backup"):
        models.verify_history("ranker")


# --- load, evaluate, compare, lineage ---


def test_a_model_is_loaded_by_alias_and_predicts(world, models):
    frame = people()
    fitted = classifier()
    models.register(world.log(fitted, example=frame[["a", "b"]]), "ranker")
    models.promote("ranker", 1)
    predicted = models.load("models:/ranker@champion").predict(frame)
    assert (predicted == fitted.predict(frame[["a", "b"]])).all()


def test_a_file_that_was_tampered_with_is_not_loaded(world, models):
    version = models.register(world.log(classifier()), "ranker")
    spoil(world, version.files[0], "tampered")
    with pytest.raises(IntegrityError):
        models.load("models:/ranker/1")


def test_a_file_that_is_gone_is_named(world, models):
    version = models.register(world.log(classifier()), "ranker")
    spoil(world, version.files[0], "gone")
    with pytest.raises(IntegrityError, match=r"model\.skops"):
        models.load("models:/ranker/1")


@pytest.mark.parametrize("path", ["../escaped", "/tmp/escaped", "a/../../escaped", "..\\escaped"])
def test_a_file_that_would_land_outside_of_its_folder_is_refused(world, models, path):
    logged = world.log(Always(1), "pickle")
    world.models.register(replace(logged, files=(ArtifactEntry(path, logged.files[0].digest, logged.files[0].size),)), "ranker")
    with pytest.raises(IntegrityError, match="outside of its folder"):
        models.load("models:/ranker/1", allow_pickle=True)


def test_a_pickle_is_loaded_by_an_explicit_word_alone(world, models, tmp_path):
    trace = tmp_path / "trace"
    models.register(world.log(Explosive(trace), "pickle"), "ranker")
    with pytest.raises(UnsafeModelError, match="allow_pickle=True"):
        models.load("models:/ranker/1")
    assert not trace.exists()
    models.load("models:/ranker/1", allow_pickle=True)
    assert trace.exists()


def test_the_better_model_passes_the_gate_once_both_were_measured_on_the_same_data(world, models):
    example = people()[["a", "b"]]
    models.register(world.log(classifier(["b"]), example=example), "ranker")
    models.promote("ranker", 1)
    models.set_gates("ranker", [Gate("auc", min_improvement=0.01)])
    models.register(world.log(classifier(), example=example), "ranker")
    models.evaluate("ranker", 2, people(seed=9), label="liked")
    with pytest.raises(GateError, match="the champion has no auc"):
        models.promote("ranker", 2)
    models.evaluate("ranker", "@champion", people(seed=8), label="liked")
    with pytest.raises(GateError, match="measured on the same data"):
        models.promote("ranker", 2)
    champion = models.evaluate("ranker", "@champion", people(seed=9), label="liked", metrics=["auc", "log_loss"])
    assert set(champion.figures) == {"auc", "log_loss"}
    report = models.promote("ranker", 2)
    assert report.conditions[0].figure > report.conditions[0].champion + 0.01
    assert models.model("ranker").champion == 2


def test_a_comparison_shows_figures_on_common_data_and_what_differs(world, models):
    example = people()[["a", "b"]]
    models.register(world.log(classifier(["b"]), example=example, params={"depth": "3"}, metrics={"loss": 1.0}), "ranker")
    models.register(world.log(classifier(), example=example, params={"depth": "6"}, metrics={"loss": 0.5}), "ranker")
    for version in (1, 2):
        models.evaluate("ranker", version, people(seed=9), label="liked", metrics=["auc"], dataset_name="holdout")
    models.evaluate("ranker", 2, people(seed=8), label="liked", metrics=["auc"], dataset_name="elsewhere")
    found = models.compare("ranker", 1, "latest")
    assert found.section("params") == {"depth": ("3", "6")}
    assert found.section("metrics as logged") == {"loss": ("1", "0.5")}
    assert set(found.section("figures on holdout")) == {"auc"}
    assert found.section("figures on elsewhere") == {}
    assert "depth  3          6          differs" in str(found)


def test_the_lineage_reaches_from_the_run_to_the_alias(world, models):
    version = world.register(2)
    models.promote("ranker", 2)
    lineage = Lineage(SqlLineageStore(world.database), models.alias_targets, models.aliases_of)
    assert lineage.upstream("models:/ranker@champion").nodes() == [
        "models:/ranker@champion",
        "models:/ranker/2",
        f"logged_model:{version.model_id}",
    ]
    assert "models:/ranker@champion" in lineage.downstream(f"logged_model:{version.model_id}")
    with pytest.raises(NotFoundError, match="did you mean 'champion'"):
        lineage.upstream("models:/ranker@champio")
