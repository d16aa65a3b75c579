"""Definitions as a whole: every fault has a case, and all of them are reported at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

import headrace.definitions.aggregation as hr
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.on_demand import on_demand
from headrace.definitions.source import EventSource, TableSource
from headrace.definitions.validation import resolve
from headrace.definitions.view import FeatureView, on_demand_order
from headrace.errors import DefinitionError, InvalidInputError

USER = Entity("user", keys={"user_id": "int64"})
VIDEO = Entity("video", keys={"video_id": "int64"})
RATINGS = EventSource(
    "ratings",
    timestamp="rated_at",
    schema={"user_id": "int64", "video_id": "int64", "stars": "float64", "note": "string", "ok": "bool", "rated_at": "timestamp"},
)
VIDEOS = TableSource(
    "videos", timestamp="updated_at", schema={"video_id": "int64", "title": "string", "year": "int32", "updated_at": "timestamp"}
)
TASTE = FeatureGroup("taste", USER, RATINGS, {"likes": hr.count("30d", where="stars >= 4"), "avg": hr.mean("stars", "7d")})
FACTS = FeatureGroup("facts", VIDEO, VIDEOS, {"title": "title", "is_new": hr.column("year > 2000", default=False)})


def group(feature=None, **changes):
    base = {"name": "g", "entity": USER, "source": RATINGS, "features": {"f": hr.count() if feature is None else feature}}
    return FeatureGroup(**{**base, **changes})


def table_group(feature, **changes):
    return group(feature, **{"entity": VIDEO, "source": VIDEOS, **changes})


def source(**changes):
    return replace(RATINGS, **changes)


def with_column(name, kind="int64"):
    return source(schema={**RATINGS.schema, name: kind})


def view(*features, **changes):
    return FeatureView("v", features, **changes)


@on_demand(inputs=["avg", "hour"], returns="float64")
def gap(average, hour):
    return average - hour


def made(name, inputs, returns="float64", **changes):
    def function(*arrays):
        return arrays[0]

    return on_demand(inputs, returns, name=name, **changes)(function)


FAULTS = [
    # names
    (Entity("", {"a": "int64"}), "entity '': '' can't be a name"),
    (Entity("1user", {"a": "int64"}), "'1user' can't be a name"),
    (source(name="a.b"), "source 'a.b': 'a.b' can't be a name"),
    (group(name="a:b"), "group 'a:b': 'a:b' can't be a name"),
    (FeatureView("a b", [TASTE]), "view 'a b': 'a b' can't be a name"),
    (Entity("e", {"a:b": "int64"}), "key 'a:b': 'a:b' can't be a name"),
    (with_column("a.b"), "column 'a.b': 'a.b' can't be a name"),
    (group(features={"": hr.count()}), "feature '': '' can't be a name"),
    (group(features={"a.b": hr.count()}), "feature 'a.b': 'a.b' can't be a name"),
    # metadata
    (Entity("e", {"a": "int64"}, owner=5), "entity 'e', owner: 5 isn't text"),
    (group(tags={"a": 1}), "tags: 'a': 1 must be text to text"),
    # entities
    (Entity("e", {}), "entity 'e': has no keys"),
    (Entity("e", {"a": "strng"}), "unknown type 'strng'; did you mean 'string'?"),
    (Entity("e", {"a": "float64"}), "a key can't be float64"),
    # sources
    (with_column("x", "flaot64"), "column 'x': unknown type 'flaot64'; did you mean 'float64'?"),
    (with_column("x", "list<int64>"), "unknown type 'list<int64>'"),
    (with_column("x", 5), "5 isn't a type"),
    (with_column("event_time", "timestamp"), "the name 'event_time' is reserved"),
    (with_column("_Day"), "the name '_Day' is reserved"),
    (with_column("Stars"), "columns 'stars' and 'Stars' differ only in case"),
    (source(timestamp="rated"), "timestamp: no column 'rated' in its schema; did you mean 'rated_at'?"),
    (source(timestamp="stars"), "timestamp: column 'stars' is float64; it must be timestamp"),
    (source(available="seen_at"), "available: no column 'seen_at'"),
    (source(available="stars"), "available: column 'stars' is float64; it must be timestamp"),
    (source(id="tx_id"), "id: no column 'tx_id'"),
    (source(id="stars"), "id: column 'stars' is float64; it must be int32 or int64 or string or bytes"),
    (source(stream=" "), "stream: ' ' isn't a topic"),
    # groups
    (group(entity="user"), "entity: 'user' isn't an hr.Entity"),
    (group(source="ratings"), "source: 'ratings' isn't an hr.EventSource or hr.TableSource"),
    (group(features={}), "group 'g': has no features"),
    (group(keys={"user": "user_id"}), "keys: entity 'user' has no key 'user'; did you mean 'user_id'?"),
    (group(keys={"user_id": "viewer"}), "source 'ratings' has no column 'viewer' for key 'user_id'"),
    (group(keys={"user_id": "note"}), "key 'user_id' of entity 'user' is int64, but column 'note' of source 'ratings' is string"),
    (
        group(entity=Entity("pair", {"a": "int64", "b": "int64"}), keys={"a": "user_id", "b": "user_id"}),
        "two keys read the column 'user_id'",
    ),
    (group(5), "5 is neither an aggregation, hr.column nor a SQL expression"),
    (group("stars"), "an event source's features are aggregations"),
    (table_group(hr.count("7d")), "write a SQL expression, not an aggregation"),
    (group(hr.count("7m3s")), "no default hop cuts 7m3s into at most 100 equal steps; give hop="),
    (group(hr.count("7d", hop="5h")), "hop: 5h doesn't divide the window 7d"),
    (group(hr.count("1h", hop="2h")), "hop: 2h doesn't divide the window 1h"),
    (group(hr.count(hop="1h")), "hop: there is no window for it to step"),
    (group(hr.Aggregation("count", window=-5)), "window: must be positive"),
    (group(hr.Aggregation("average", "stars")), "no aggregation named 'average'"),
    (group(hr.last_n("stars", 0)), "n: 0 isn't a whole number of at least 1"),
    (group(hr.last_n("stars", 2.5)), "n: 2.5 isn't a whole number"),
    (group(hr.sum("note")), "argument of sum: 'note' is string, not a number; cast it: TRY_CAST(note AS DOUBLE)"),
    (group(hr.mean("ok")), "'ok' is bool, not a number; cast it: CAST(ok AS BIGINT)"),
    (group(hr.std("rated_at")), "argument of std: 'rated_at' is timestamp, not a number"),
    (group(hr.mean("starz")), "argument of mean: 'starz' has the unknown column 'starz'; did you mean 'stars'?"),
    (group(hr.mean(None)), "None isn't a SQL expression"),
    (group(hr.count(where="stars")), "where: 'stars' is float64, not a condition"),
    (group(hr.count(where="stars >= 'four'")), "where: \"stars >= 'four'\": Could not convert"),
    (group(hr.count(where="starz >= 4")), "where: 'starz >= 4' has the unknown column 'starz'"),
    (group(hr.count(description=5)), "description: 5 isn't text"),
    (table_group("titel"), "feature 'f': 'titel' has the unknown column 'titel'; did you mean 'title'?"),
    # defaults
    (group(hr.count(default="x")), "default='x' isn't a int64"),
    (group(hr.count(default=True)), "default=True isn't a int64"),
    (group(hr.count(default=2**63)), "isn't a int64"),
    (group(hr.mean("stars", default=float("nan"))), "default=nan isn't a float64"),
    (group(hr.last("rated_at", default=0)), "a feature of type timestamp can't have a default"),
    (group(hr.last_n("stars", 3, default=[1, "x"])), "isn't a list<float64>"),
    (table_group(hr.column("title", default=3)), "default=3 isn't a string"),
    # views
    (view(), "view 'v': has no features"),
    (view("taste"), "'taste' is neither a feature group"),
    (view(TASTE["like"]), "group 'taste' has no feature 'like'; did you mean 'likes'?"),
    (view(TASTE.keyed(user="author")), "keyed(): entity 'user' of group 'taste' has no key 'user'; did you mean 'user_id'?"),
    (view(TASTE.keyed(user_id="a.b")), "keyed(): 'a.b' can't be a name"),
    (view(TASTE.prefixed("a.")), "prefixed(): 'a.likes' can't be a name"),
    (view(TASTE, group(features={"user_id": hr.count()})), "feature 'user_id', which is also a join key"),
    (view(TASTE["likes", "likes"]), "feature 'likes' comes from group 'taste' and from group 'taste'"),
    (
        view(
            TASTE, FACTS.keyed(video_id="user_id"), group(entity=Entity("named", {"user_id": "string"}), keys={"user_id": "note"})
        ),
        "key column 'user_id' is int64 for group 'taste' and string for group 'g'",
    ),
    # on-demand features
    (view(TASTE, made("x", ["avg"], "flaot64")), "on-demand feature 'x', returns: unknown type 'flaot64'"),
    (view(TASTE, made("x", ["avg"], default="y")), "default='y' isn't a float64"),
    (view(TASTE, made("a:b", ["avg"])), "'a:b' can't be a name"),
    (view(TASTE, made("x", [])), "has no inputs"),
    (view(TASTE, made("x", [""])), "inputs: '' isn't the name"),
    (view(TASTE, on_demand(["avg", "hour"], "float64", name="x")(lambda average: average)), "doesn't take its 2 inputs"),
    (view(TASTE, made("likes", ["avg"])), "comes from group 'taste' and from on-demand feature 'likes'; give it another name"),
    (view(TASTE, made("x", ["y"]), made("y", ["z"]), made("z", ["x"])), "'x' depends on itself: x → y → z → x"),
    (view(TASTE, made("x", ["x"])), "'x' depends on itself: x → x"),
    # the list itself
    (5, "5 isn't a definition"),
]


@pytest.mark.parametrize(("definition", "words"), FAULTS, ids=[words for _, words in FAULTS])
def test_a_fault_is_reported_with_its_object_and_field(definition, words):
    with pytest.raises(DefinitionError) as caught:
        resolve([definition])
    assert words in str(caught.value)


def test_all_faults_of_all_objects_come_at_once():
    bad = [
        Entity("1", {}),
        source(name="2", timestamp="no"),
        group(hr.mean("starz"), keys={"user": "user_id"}),
        view(TASTE["like"]),
    ]
    with pytest.raises(DefinitionError) as caught:
        resolve(bad)
    assert len(caught.value.faults) == 7


def test_a_collision_names_both_groups_and_the_two_ways_out():
    other = group(features={"avg": hr.mean("stars")})
    with pytest.raises(DefinitionError) as caught:
        resolve([view(TASTE, other)])
    [fault] = caught.value.faults
    assert "feature 'avg' comes from group 'taste' and from group 'g'" in fault
    assert '.prefixed("g_")' in fault
    assert '.keyed(user_id="other_user_id").prefixed("other_")' in fault
    resolve([view(TASTE, other.prefixed("g_"), TASTE.keyed(user_id="author_id").prefixed("author_"))])


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (USER, Entity("user", {"user_id": "string"}), "entity 'user' is defined twice"),
        (RATINGS, source(owner="x"), "source 'ratings' is defined twice"),
        (TASTE, replace(TASTE, ttl="1d"), "group 'taste' is defined twice"),
        (view(TASTE), view(FACTS), "view 'v' is defined twice"),
        (TASTE, group(entity=Entity("user", {"user_id": "int64", "x": "int64"})), "entity 'user' is defined twice"),
    ],
)
def test_one_name_cannot_mean_two_things(first, second, words):
    with pytest.raises(DefinitionError, match=words):
        resolve([first, second])


def test_the_same_definition_twice_is_no_conflict():
    assert set(resolve([USER, Entity("user", {"user_id": "int64"}), TASTE]).groups) == {"taste"}


def test_what_a_view_refers_to_comes_along_with_types():
    found = resolve([view(TASTE, FACTS, gap)])
    assert (set(found.entities), set(found.sources), set(found.groups)) == (
        {"user", "video"},
        {"ratings", "videos"},
        {"taste", "facts"},
    )
    assert [(f.name, f.dtype, f.argument_dtype) for f in found.groups["taste"].resolved] == [
        ("likes", "int64", ""),
        ("avg", "float64", "float64"),
    ]
    assert [feature.dtype for feature in found.views["v"].selections[1].features] == ["string", "bool"]


@pytest.mark.parametrize(
    ("aggregation", "dtype", "argument"),
    [
        (hr.count(), "int64", ""),
        (hr.sum("user_id"), "int64", "int64"),
        (hr.sum("stars"), "float64", "float64"),
        (hr.mean("user_id"), "float64", "int64"),
        (hr.std("CAST(stars AS FLOAT)"), "float64", "float32"),
        (hr.min("rated_at"), "timestamp", "timestamp"),
        (hr.max("note"), "string", "string"),
        (hr.count_distinct("note"), "int64", "string"),
        (hr.first("ok"), "bool", "bool"),
        (hr.last("stars", default=1), "float64", "float64"),
        (hr.last_n("note", 3, default=["a"]), "list<string>", "string"),
    ],
)
def test_types_of_aggregations(aggregation, dtype, argument):
    feature = resolve([group(aggregation)]).groups["g"].feature("f")
    assert (feature.dtype, feature.argument_dtype) == (dtype, argument)


def test_the_timestamp_may_be_called_event_time_and_the_arrival_available_time():
    schema = {"user_id": "int64", "event_time": "timestamp", "available_time": "timestamp"}
    events = EventSource("e", timestamp="event_time", available="available_time", schema=schema)
    assert resolve([events]).sources["e"] is events


def test_an_input_that_is_no_feature_comes_with_the_request():
    assert resolve([view(TASTE, gap)]).views["v"].request_inputs == ("hour",)


def test_functions_made_in_functions_are_allowed():
    resolve([view(TASTE, on_demand(["avg"], "float64", name="twice")(lambda average: average * 2))])


def test_on_demand_features_are_ordered_by_what_they_take():
    chain = [made("c", ["b"]), made("a", ["avg"]), made("b", ["a"])]
    assert [item.name for item in on_demand_order(view(TASTE, *chain))] == ["a", "b", "c"]


LENGTHS = [
    hr.count,
    lambda length: group(ttl=length),
    lambda length: group(freshness=length),
    lambda length: source(lateness=length),
]


@pytest.mark.parametrize("make", LENGTHS)
@pytest.mark.parametrize(
    ("length", "words"),
    [
        ("10 minutes", "isn't a duration"),
        ("-1d", "isn't a duration"),
        (3600, "isn't a duration"),  # of seconds? of microseconds?
        ("0s", "isn't a positive duration"),
        ("99999999d", "'99999999d' is longer than times can tell: give 26687997d at most"),
    ],
)
def test_a_duration_that_cannot_be_kept_is_refused_at_once(make, length, words):
    with pytest.raises(InvalidInputError, match=words):
        make(length)


@pytest.mark.parametrize("make", LENGTHS)
def test_a_duration_is_the_same_however_it_is_written(make):
    assert make("36h") == make("1d12h") == make(timedelta(hours=36))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Entity("user", keys=["user_id"]),
            r"entity 'user', keys: \['user_id'\] isn't a dict.*keys=\{'user_id': '",
        ),
        (lambda: source(schema=["stars"]), r"schema: \['stars'\] isn't a dict; write for example schema=\{"),
        (lambda: group(features=[hr.count()]), r"group 'g', features: .* isn't a dict; write for example features=\{"),
        (lambda: group(keys=["viewer"]), r"keys: \['viewer'\] isn't a dict; write for example keys=\{'user_id': 'viewer'\}"),
        (lambda: FeatureView("v", [TASTE], tags=["a"]), r"view 'v', tags: \['a'\] isn't a dict"),
        (lambda: on_demand(inputs="avg", returns="float64"), r"inputs: 'avg' isn't a list of names; write inputs=\['avg'\]"),
    ],
)
def test_what_a_definition_cannot_be_made_of_is_told_with_an_example(make, words):
    with pytest.raises(DefinitionError, match=words):
        make()


def test_a_group_copied_with_other_features_has_their_types():
    copied = replace(resolve([TASTE]).groups["taste"], features={"n": hr.count()})
    assert [feature.name for feature in copied.resolved] == ["n"]


def test_one_definition_in_place_of_a_list_is_told():
    with pytest.raises(DefinitionError, match=r"FeatureGroup isn't a list of definitions; write \[taste\]"):
        resolve(TASTE)
