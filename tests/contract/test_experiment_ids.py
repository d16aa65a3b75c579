"""An experiment may come with an id of its own, and may be known by another: what imports promise to scripts that name ids."""

from __future__ import annotations

import pytest

from headrace.errors import ConflictError, InvalidInputError, NotFoundError
from headrace.remote.tracking import remote_tracking
from headrace.sql.database import Database
from headrace.sql.tracking import tracking_stores


@pytest.fixture(params=["sqlite", "postgresql", "remote"])
def experiments(request, tmp_path):
    if request.param == "remote":
        yield remote_tracking(request.getfixturevalue("remote")()).experiments
        return
    here = f"sqlite:///{tmp_path / 'catalog.db'}"
    database = Database(here if request.param == "sqlite" else request.getfixturevalue("postgres").new_database())
    yield tracking_stores(database).experiments
    database.close()


def test_an_experiment_that_comes_with_an_id_keeps_it_and_later_ones_come_after(experiments):
    assert experiments.create("imported", {}, 1, "", "17").id == "17"
    assert experiments.get("17").artifact_location == "mlflow-artifacts:/17"
    assert experiments.create("earlier", {}, 1, "", "5").id == "5"
    assert int(experiments.create("new", {}, 1).id) > 17
    with pytest.raises(ConflictError, match="17"):
        experiments.create("other", {}, 1, "", "17")
    for odd in ("x", "-1", "1234567890123456789"):
        with pytest.raises(InvalidInputError, match="up to nine digits"):
            experiments.create("other", {}, 1, "", odd)
    assert experiments.by_name("other") is None


def test_an_experiment_is_found_by_the_id_that_it_had_elsewhere_unless_another_has_it(experiments):
    home = experiments.create("ranker", {}, 1)
    for known_as in ("40", "123456789012345678"):
        with pytest.raises(NotFoundError):
            experiments.get(known_as)
        experiments.alias(home.id, known_as, "there")
        assert experiments.get(known_as).id == home.id
    experiments.set_tag("40", "team", "x")
    experiments.rename("40", "renamed", 2)
    assert (experiments.get(home.id).name, experiments.get(home.id).tags["team"]) == ("renamed", "x")
    other = experiments.create("other", {}, 1)
    assert int(other.id) > 40
    experiments.alias(home.id, other.id, "there")
    assert experiments.get(other.id).name == "other"
    experiments.alias(other.id, "40", "elsewhere")
    with pytest.raises(NotFoundError):  # two of them: it would be a guess
        experiments.get("40")
    with pytest.raises(NotFoundError):
        experiments.alias("999999", "41", "there")
