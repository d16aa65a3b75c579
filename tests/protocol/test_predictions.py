"""What was served is kept with what made it; outcomes give labels and quality; a shadow and a canary see the same traffic."""

from __future__ import annotations

import pandas as pd
import pytest

import headrace as hr
from servers.headrace import headrace_server
from servers.models import CHAMPION, constant, definitions, fill, register, service
from waiting import until

SHADOW_AND_CANARY = ("--shadow", "@challenger", "--canary", "@trial=50%")
USERS = list(range(40))


def serving(client):
    """What a service says of itself."""
    return client.ask("/api/v1/serving")[1]["serving"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A project after a service with a shadow and a canary answered forty users; the ids of the requests and who answered."""
    folder = tmp_path_factory.mktemp("predictions")
    with hr.connect(folder) as store:
        store.apply(definitions())
        fill(store)
        for value in (1.0, 1.5, 3.0):
            register(store, constant(value))
        store.models.promote("ranker", 1)
        store.models.promote("ranker", 2, to="Staging")
        store.models.set_alias("ranker", "trial", 3)
    answers = {}
    with service(folder, CHAMPION, *SHADOW_AND_CANARY) as client:
        for user in USERS:
            for _ in range(2):
                _, answer, _ = client.ask("/api/v1/predict", {"entities": {"user_id": user}})
                answers.setdefault(user, []).append(answer)
        client.ask("/invocations", {"instances": [[1, 2.0], [3, 4.0]]})
        until(lambda: serving(client)["shadow"]["compared"]["requests"] > 2 * len(USERS), "a comparison of all requests")
        status = serving(client)
        metrics = client.ask("/metrics")[1].decode()
    return folder, answers, status, metrics


@pytest.fixture
def store(served):
    with hr.connect(served[0]) as store:
        yield store


def test_the_canary_answers_a_share_of_the_keys_and_always_the_same(served):
    _, answers, _, metrics = served
    models = {user: {answer["model"] for answer in found} for user, found in answers.items()}
    assert all(len(found) == 1 for found in models.values())
    canaries = [user for user, found in models.items() if found == {"models:/ranker/3"}]
    assert 5 < len(canaries) < 35
    assert 'headrace_predictions_total{model="models:/ranker/3",role="canary"}' in metrics


def test_which_versions_answer_is_known(served):
    with hr.connect(served[0]) as store:
        answering = {(each.version, each.role): each.rows for each in store.predictions.serving("ranker", 0)}
        assert set(answering) == {(1, "main"), (2, "shadow"), (3, "canary")}
        assert answering[1, "main"] + answering[3, "canary"] == 2 * len(USERS) + 2
        assert store.predictions.serving("ranker", store.runs.recorder.clock()) == store.predictions.serving("none", 0) == []


def test_the_shadow_sees_all_and_is_compared(served):
    compared = served[2]["shadow"]["compared"]
    assert (compared["requests"], compared["skipped"]) == (2 * len(USERS) + 1, 0)
    assert compared["equal"] == 0
    assert compared["largest"] == 1.5
    assert compared["failed"] == 0


def test_each_prediction_is_kept_with_its_keys_and_features_as_served(served, store):
    kept = store.predictions.read("ranker")
    given = kept[(kept["role"] != "shadow") & (kept["source"] == "online")]
    assert len(given) == 2 * len(USERS)
    first = served[1][7][0]
    row = given[given["request"] == first["request_id"]].iloc[0]
    features = store.online_features("ranking", {"user_id": [7]}).values
    assert (row["user_id"], row["prediction"]) == (7, first["predictions"][0])
    assert row["view"] == first["view"] == "ranking:1"
    assert f"models:/ranker/{row['version']}" == first["model"]
    assert [row["likes"], row["stars_avg"]] == [features["likes"][0], features["stars_avg"][0]]
    assert row["latency_ms"] > 0


def test_what_was_served_is_computed_again_and_equal(store):
    found = store.verify("ranking")
    assert found.ok
    assert found.rows == 2 * len(USERS)


def test_lineage_tells_what_made_a_prediction(served, store):
    answer = served[1][7][0]
    graph = store.lineage.upstream(f"prediction:{answer['request_id']}")
    assert answer["model"] in graph
    assert f"view:{answer['view']}" in graph
    assert "source:ratings.stars" in graph
    assert graph.nodes("run")
    with pytest.raises(hr.NotFoundError, match="nothing"):
        store.lineage.upstream("prediction:nothing")


def test_outcomes_give_labels_and_quality(served, store):
    requests = [found[0]["request_id"] for found in served[1].values()]
    assert store.record_outcomes(pd.DataFrame({"request": requests, "outcome": [2.0] * len(requests)})) == len(USERS)
    assert store.record_outcomes(pd.DataFrame({"request": requests[:1], "outcome": [1.0]})) == 1
    bare = store.predictions.read("ranker").query("source == 'request' and role == 'main'")["request"].unique().tolist()
    assert store.record_outcomes(pd.DataFrame({"request": bare * 2, "row": [0, 1], "outcome": [2.0, 2.0]})) == 2
    labels = store.predictions.labels("ranker")
    assert sorted(labels["user_id"]) == USERS  # what came without keys has no history to learn from
    assert labels["user_id"].dtype == "int64"
    assert labels.set_index("user_id")["outcome"].to_dict() == {user: 1.0 if user == USERS[0] else 2.0 for user in USERS}
    made = store.training_set("ranking", labels, label="outcome", name="from-outcomes")
    assert len(made.to_pandas()) == len(USERS)
    quality = store.predictions.quality("ranker", ["mae", "rmse"]).set_index(["version", "role"])
    assert quality.loc[(3, "canary"), "mae"] == pytest.approx(1.0, abs=0.2)
    assert quality["rows"].sum() == 2 * (len(USERS) + 2)  # the shadow's too


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"request": ["a"]}), "'outcome'"),
        (pd.DataFrame({"outcome": [1]}), "'request'"),
        (pd.DataFrame({"request": [None], "outcome": [1]}), "id of its request"),
        (pd.DataFrame({"request": ["a"], "outcome": [1], "row": ["x"]}), "'row'"),
    ],
)
def test_outcomes_that_name_no_request_are_refused(store, frame, words):
    with pytest.raises(hr.InvalidInputError, match=words):
        store.record_outcomes(frame)


def test_a_service_behind_a_server_keeps_predictions_there_and_both_say_the_same_of_them(served, store):
    with headrace_server(served[0]) as url:
        with service(url) as client:
            answers = [client.ask("/api/v1/predict", {"entities": {"user_id": [user, user + 1]}})[1] for user in (3, 5)]
        requests = [answer["request_id"] for answer in answers]
        with hr.connect(url) as remote:
            outcomes = pd.DataFrame({"request": requests * 2, "row": [0, 0, 1, 1], "outcome": [4.0, 5.0, 6.0, 7.0]})
            assert remote.record_outcomes(outcomes) == 4
            found = remote.predictions.read("ranker")
            pd.testing.assert_frame_equal(found, store.predictions.read("ranker"))
            pd.testing.assert_frame_equal(remote.predictions.labels("ranker"), store.predictions.labels("ranker"))
            kept = found.set_index(["request", "row"])["outcome"].dropna()
            assert [kept[request, row] for row in (0, 1) for request in requests] == [4.0, 5.0, 6.0, 7.0]
            assert remote.predictions.find(requests[1]) == store.predictions.find(requests[1])
            assert [record.keys for record in remote.predictions.find(requests[1])] == [{"user_id": 5}, {"user_id": 6}]
            graph = remote.lineage.upstream(f"prediction:{requests[0]}")
            assert answers[0]["model"] in graph
            assert "source:ratings.stars" in graph
            assert remote.verify("ranking").ok
            with pytest.raises(hr.NotFoundError, match="nothing"):
                remote.predictions.find("nothing")
            with pytest.raises(hr.InvalidInputError, match="neither predictions nor outcomes"):
                remote.predictions.kept("ratings")
