"""The lineage as a graph."""

from __future__ import annotations

import pytest

from headrace.errors import NotFoundError
from headrace.lineage.graph import Lineage, kind_of
from headrace.lineage.store import Edge
from headrace.sql.database import Database
from headrace.sql.lineage import SqlLineageStore

CHAIN = [
    Edge("source:ratings.stars", "feature:taste:1.likes", "defines", 1_000_000),
    Edge("source:ratings.video_id", "feature:taste:1.last_videos", "defines", 1_000_000),
    Edge("source:ratings", "group:taste:1", "defines", 1_000_000),
    Edge("group:taste:1", "view:ranking:1", "defines", 2_000_000),
    Edge("view:ranking:1", "training_set:autumn:1", "reads", 3_000_000),
    Edge("training_set:autumn:1", "run:r1", "uses", 4_000_000),
    Edge("training_set:autumn:1", "run:r2", "uses", 5_000_000),
    Edge("run:r1", "logged_model:m-1", "logs", 6_000_000),
    Edge("run:r2", "logged_model:m-2", "logs", 7_000_000),
    Edge("logged_model:m-1", "models:/ranker/1", "registers", 8_000_000),
    Edge("logged_model:m-2", "models:/ranker/2", "registers", 9_000_000),
]


@pytest.fixture
def champion():
    return {"version": 1}


@pytest.fixture
def lineage(tmp_path, champion):
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")

    def resolve(urn):
        return [f"models:/ranker/{champion['version']}"] if urn == "models:/ranker@champion" else []

    def aliases(urn):
        return ["models:/ranker@champion"] if urn == f"models:/ranker/{champion['version']}" else []

    lineage = Lineage(SqlLineageStore(database), resolve, aliases)
    lineage.add(CHAIN)
    yield lineage
    database.close()


def test_a_column_reaches_everything_made_from_it_up_to_the_alias(lineage):
    graph = lineage.downstream("source:ratings.stars")
    assert graph.nodes() == [
        "source:ratings.stars",
        "feature:taste:1.likes",
        "group:taste:1",
        "view:ranking:1",
        "training_set:autumn:1",
        "run:r2",
        "run:r1",
        "logged_model:m-2",
        "logged_model:m-1",
        "models:/ranker/2",
        "models:/ranker/1",
        "models:/ranker@champion",
    ]


def test_a_column_does_not_reach_the_features_of_its_neighbours(lineage):
    assert "feature:taste:1.last_videos" not in lineage.downstream("source:ratings.stars")


def test_a_source_reaches_what_its_columns_reach(lineage):
    assert lineage.downstream("source:ratings").nodes("feature") == ["feature:taste:1.likes", "feature:taste:1.last_videos"]


def test_an_alias_leads_back_to_the_sources_and_their_columns(lineage):
    graph = lineage.upstream("models:/ranker@champion")
    assert graph.nodes("run") == ["run:r1"]
    assert graph.nodes("source") == ["source:ratings", "source:ratings.video_id", "source:ratings.stars"]


def test_an_alias_is_looked_up_when_it_is_read(lineage, champion):
    champion["version"] = 2
    assert lineage.upstream("models:/ranker@champion").nodes("run") == ["run:r2"]
    assert "models:/ranker@champion" in lineage.downstream("run:r2")
    assert "models:/ranker@champion" not in lineage.downstream("run:r1")


def test_a_depth_cuts_the_walk(lineage):
    assert lineage.downstream("run:r1", depth=1).nodes() == ["run:r1", "logged_model:m-1"]
    assert lineage.downstream("run:r1", depth=0).nodes() == ["run:r1"]


def test_a_name_without_version_means_the_highest_that_is_there(lineage):
    lineage.add([Edge("group:taste:1", f"view:ranking:{n}", "defines", 9) for n in (2, 10)])
    assert lineage.upstream("view:ranking").root == "view:ranking:10"
    assert lineage.upstream("training_set:autumn").root == "training_set:autumn:1"
    assert lineage.upstream("models:/ranker").root == "models:/ranker/2"


@pytest.mark.parametrize(
    ("urn", "hint"),
    [
        ("run:r9", "run:r"),
        ("source:rating", "source:ratings"),
        ("models:/ranker/7", "models:/ranker/"),
        ("models:/ranker@blue", "models:/"),
    ],
)
def test_an_unknown_thing_is_an_error_that_names_the_nearest(lineage, urn, hint):
    with pytest.raises(NotFoundError, match=f"did you mean '{hint}"):
        lineage.upstream(urn)


def test_the_beginning_of_an_id_finds_it_as_long_as_it_is_unique(lineage):
    lineage.add([Edge("training_set:autumn:1", "run:r10", "uses", 5_000_000)])
    assert lineage.find("run:r1") == "run:r1"  # a whole name before others that begin with it
    lineage.add([Edge("run:abc1", "logged_model:m-3", "logs", 5_000_000)])
    assert lineage.find("run:ab") == "run:abc1"
    lineage.add([Edge("run:abc2", "logged_model:m-3", "logs", 5_000_000)])
    assert lineage.find("run:abc2") == "run:abc2"
    with pytest.raises(NotFoundError, match="run:abc"):
        lineage.find("run:abc")


def test_a_prediction_that_is_not_there_yet_says_when_it_will_be(lineage):
    with pytest.raises(NotFoundError, match=r"no 'prediction:r-1' is kept; .* within half a minute"):
        lineage.upstream("prediction:r-1")


def test_a_circle_is_walked_once(lineage):
    lineage.add([Edge("run:r2", "training_set:autumn:1", "writes", 9_000_000)])
    graph = lineage.downstream("training_set:autumn:1")
    assert graph.nodes().count("training_set:autumn:1") == 1
    assert "training_set:autumn:1  [writes 1970-01-01T00:00:09Z] (shown above)" in graph.tree()


def test_the_tree_shows_newest_first_and_unfolds_a_shared_thing_once(lineage):
    lineage.add(
        [Edge("run:r1", "models:/mix/1", "registers", 1_000_000), Edge("run:r2", "models:/mix/1", "registers", 1_000_000)]
    )
    assert lineage.upstream("models:/mix/1", depth=3).tree().splitlines() == [
        "models:/mix/1",
        "├── run:r1  [registers 1970-01-01T00:00:01Z]",
        "│   └── training_set:autumn:1  [uses 1970-01-01T00:00:04Z]",
        "│       └── view:ranking:1  [reads 1970-01-01T00:00:03Z]",
        "└── run:r2  [registers 1970-01-01T00:00:01Z]",
        "    └── training_set:autumn:1  [uses 1970-01-01T00:00:05Z] (shown above)",
    ]


def test_the_tree_of_a_long_chain_does_not_run_out_of_stack(lineage):
    lineage.add([Edge(f"run:{n}", f"run:{n + 1}", "uses", n) for n in range(3000)])
    assert len(lineage.downstream("run:0", depth=1500).tree().splitlines()) == 1501


def test_a_graph_is_plain_values_too(lineage):
    values = lineage.downstream("run:r1", depth=1).to_dict()
    assert values == {
        "root": "run:r1",
        "direction": "downstream",
        "nodes": [{"urn": "run:r1", "kind": "run"}, {"urn": "logged_model:m-1", "kind": "logged_model"}],
        "edges": [{"source": "run:r1", "target": "logged_model:m-1", "kind": "logs", "time": "1970-01-01T00:00:06Z"}],
    }


@pytest.mark.parametrize(
    ("urn", "kind"),
    [("models:/a/1", "model"), ("models:/a@b", "alias"), ("models:/a/Production", "alias"), ("view:a:1", "view")],
)
def test_the_kind_of_a_thing_is_read_off_its_name(urn, kind):
    assert kind_of(urn) == kind
