"""Whatever a public method is given, it works or says what is wrong with that, and both databases say the same."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import headrace as hr
from headrace.errors import HeadraceError, InvalidInputError
from headrace.tracking.run import DatasetInput

NUL, HALF = "a\0b", "\ud800"
WRONG = (None, 5, -1, 1.5, True, b"x", [], {}, "", [5], {5: 5}, object(), NUL, HALF, [NUL])
UNFIT = (b"x", object(), NUL, HALF, [NUL])
"""What no text, number, list of names or mapping can be."""
NOT_HERE = {"by", "accept", "add", "fetch", "close", "settle", "worker", "make", "reach", "start"}
"""What servers and workers call with values of their own; `start` has tests of its own, as it logs what it can."""
VALID = {
    "name": "ranker",
    "version": 1,
    "key": "auc",
    "keys": ["auc"],
    "uri": "models:/ranker/1",
    "urn": "models:/ranker/1",
    "view": "active",
    "to": "Staging",
    "events": ["registered_model.created"],
    "url": "https://127.0.0.1:9/x",
    "kind": "comment",
    "gates": [],
    "definitions": [],
}


@pytest.fixture
def store(catalog_url, tmp_path):
    (tmp_path / "headrace.toml").write_text(f'catalog = "{catalog_url}"\n')
    with hr.connect(tmp_path) as found:
        yield found


@pytest.fixture
def valid(store):
    linear = pytest.importorskip("sklearn.linear_model")
    with store.start_run("exp", capture=False) as run:
        run.log_metrics({"auc": 0.5}, step=1)
        model = run.log_model(linear.LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]), "line")
    store.models.register(model, "ranker")
    asked = store.models.requests.open("ranker", 1).id
    hook = store.webhooks.create(VALID["url"], VALID["events"]).id
    return VALID | {"run_id": run.id, "run_ids": [run.id], "model": model.id, "request_id": asked, "webhook_id": hook}


def calls(part, valid):
    """Each public method with each of its arguments, by name, and valid values for those that have no default."""
    for name, method in inspect.getmembers(part, inspect.ismethod):
        takes = inspect.signature(method).parameters.values()
        named = [item for item in takes if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)]
        needed = {item.name: valid.get(item.name, "x") for item in named if item.default is item.empty}
        for item in takes if name not in NOT_HERE and not name.startswith("_") else ():
            if item in named:
                yield method.__qualname__, item, lambda value, to=item.name, at=(method, needed): at[0](**{**at[1], to: value})
            elif item.kind is item.VAR_POSITIONAL:
                yield method.__qualname__, item, lambda value, method=method: method(value, value)


def test_a_wrong_argument_is_refused_with_a_reason_or_taken_and_breaks_nothing(store, valid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where downloads go
    models, found = store.models, []
    others = (store.catalog, store.accounts, store.webhooks, store.training_sets, store.topics)
    for part in (store.lineage, models, models.requests, store.runs, *others):
        for method, item, call in calls(part, valid):
            for value in WRONG:
                told = f"{method}({item.name}={value!r})"
                try:
                    call(value)
                except HeadraceError:
                    continue
                except Exception as error:  # noqa: BLE001 - each is a fault
                    found.append(f"{told}: {error!r}")
                    continue
                if item.annotation in ("str", "str | None", "int", "Selector", "RunId") and value in UNFIT:
                    found.append(f"{told} was taken")
    assert [told for told in found if not told.startswith("Runs.describe(text=")] == []  # a note is cleaned, as a tag is


def test_what_is_wrong_is_named_with_what_would_be_right(store, valid):
    for call, told in (
        (lambda: store.lineage.upstream(5), "upstream: urn must be text, not of type int"),
        (lambda: store.models.evaluate(5, 1, []), "evaluate: name must be text, not of type int"),
        (lambda: store.models.get("ranker", None), "get: version must be a number, '@ALIAS', 'latest' or a stage, not None"),
        (lambda: store.runs.get(store.runs.search()[0]), "get: run_id must be the id of a run or the start of it, 32 hex digits"),
        (lambda: store.runs.points(valid["run_id"], ["auc"]), "points: run_ids must be a list of the id of a run"),
        (lambda: store.runs.points([valid["run_id"]], ["auc", 5]), "keys must be a list of text, not a list of int and str"),
        (lambda: store.runs.experiments("gone"), "view must be one of 'active', 'deleted', 'all', not gone"),
        (lambda: store.apply([], prune="no"), "apply: prune must be True or False, not of type str"),
        (lambda: store.accounts.add_user("ada", password=b"secret"), "password must be text, not of type bytes"),
        (lambda: store.models.describe("ranker", NUL), "describe: text holds NUL or half of a character"),
        (lambda: store.score("models:/ranker/1", "in.csv", ""), "names no file to write"),
        (lambda: store.copy_model("models:/ranker/1", "http://other:5000"), "copy_model: to must be a Store, not of type str"),
    ):
        with pytest.raises(InvalidInputError) as refused:
            call()
        assert told in str(refused.value)
        assert "secret" not in str(refused.value)


def test_numbers_and_texts_of_numpy_are_as_good_as_pythons(store, valid):
    store.apply([], prune=np.bool_(False))
    store.models.promote(np.str_("ranker"), np.int64(1), "Staging")
    asked = store.models.requests.open("ranker", np.int64(1), "Archived")
    assert store.models.requests.list("ranker", np.int32(1))[0].id == asked.id
    assert len(store.runs.search(limit=np.int64(5))) == 1
    assert len(store.lineage.upstream("models:/ranker/1", np.int8(1))) == 2


def test_no_text_that_one_database_refuses_is_kept_by_another(store, valid):
    for call in (
        lambda: store.models.create("other", description=NUL),
        lambda: store.models.set_owner("ranker", NUL),
        lambda: store.models.write_card("ranker", HALF),
        lambda: store.models.promote("ranker", 1, "Staging", reason=NUL),
        lambda: store.models.requests.comment(valid["request_id"], NUL),
        lambda: store.runs.recorder.create_model("0", kind=NUL),
        lambda: store.runs.search(f"params.p = '{NUL}'"),
        lambda: store.runs.recorder.add_inputs(valid["run_id"], [DatasetInput(name=NUL, digest="d")]),
        lambda: store.runs.recorder.add_inputs(valid["run_id"], [DatasetInput(name="n", digest="d", tags={"k": HALF})]),
    ):
        with pytest.raises(InvalidInputError, match="NUL or half of a character"):
            call()
    assert [model.name for model in store.models.list()] == ["ranker"]
    assert (store.models.model("ranker").owner, store.models.get("ranker").stage) == ("", "None")
    assert store.runs.get(valid["run_id"]).inputs == ()
