"""Plans: what changes, what that costs, and how it reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

import headrace.definitions.aggregation as hr
from headrace.definitions.source import EventSource
from headrace.errors import DefinitionError
from unit.catalog.samples import FACTS, RANKING, RATINGS, TASTE, USER

STRICTER = replace(TASTE, features={**TASTE.features, "likes_30d": hr.count("30d", where="stars >= 5")})
CLICKS = EventSource("clicks", timestamp="at", schema={"user_id": "int64", "at": "timestamp"})


def words(plan, kind, name):
    entry = next(entry for entry in plan.changed if (entry.kind, entry.name) == (kind, name))
    return [*entry.details, *entry.recompute]


def test_a_plan_reads_as_a_diff(catalog):
    catalog.apply([RANKING])
    plan = catalog.plan([STRICTER, CLICKS])
    assert str(plan) == (
        "+ source clicks\n"
        "~ group user_taste 1 → 2\n"
        "    feature likes_30d: where 'stars >= 4' → 'stars >= 5'\n"
        "    ! online state of user_taste is rebuilt from the lake (windows 10m, 7d, 30d)\n"
        "~ view ranking 1 → 2\n"
        "    reads group user_taste:2 (was :1)\n"
        "    ! new training sets and models read ranking:2; those of ranking:1 keep theirs\n"
        "- entity video (kept unless prune)\n"
        "    read by group video_facts\n"
        "- group video_facts (kept unless prune)\n"
        "    read by view ranking\n"
        "- source videos (kept unless prune)\n"
        "    read by group video_facts\n"
        "1 to add, 2 to change, 2 unchanged, 3 not in the list"
    )


def test_a_plan_as_json_values(catalog):
    catalog.apply([USER])
    assert catalog.plan([replace(USER, owner="core")]).to_dict() == {
        "added": [],
        "changed": [
            {"kind": "entity", "name": "user", "version": 2, "before": 1, "details": ["owner none → 'core'"], "recompute": []}
        ],
        "unchanged": [],
        "removed": [],
    }


def test_an_empty_plan_is_false(catalog):
    assert catalog.plan([RANKING])
    catalog.apply([RANKING])
    assert not catalog.plan([RANKING])
    assert not catalog.plan([USER])
    assert catalog.plan([USER], prune=True)
    assert str(catalog.plan([RANKING])) == "7 unchanged"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"owner": "core"}, "owner 'recsys' → 'core'"),
        ({"description": "what they like"}, "description none → 'what they like'"),
        ({"tags": {"team": "a"}}, "tags none → {team: a}"),
        ({"freshness": "1h"}, "freshness none → '1h'"),
    ],
)
def test_metadata_makes_a_version_and_recomputes_nothing(catalog, changes, line):
    catalog.apply([RANKING])
    plan = catalog.apply([replace(TASTE, **changes)])
    assert words(plan, "group", "user_taste") == [line]
    assert "nothing is recomputed" in str(plan)
    assert [(entry.kind, entry.name) for entry in plan.changed] == [("group", "user_taste")]
    assert (catalog.group("user_taste").version, catalog.group("user_taste").id) == (2, "user_taste:1")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"ttl": "30d"}, "ttl '365d' → '30d'"),
        ({"features": {**TASTE.features, "n": hr.count()}}, "feature n added"),
        ({"features": {"ratings_10m": hr.count("10m"), "stars_avg_7d": hr.mean("stars", "7d")}}, "feature likes_30d removed"),
        ({"features": {**TASTE.features, "ratings_10m": hr.count("10m", hop="1m")}}, "feature ratings_10m: hop '10s' → '1m'"),
        ({"features": {**TASTE.features, "ratings_10m": hr.count("10m", default=1)}}, "feature ratings_10m: default none → 1"),
        (
            {"features": dict(reversed(TASTE.features.items()))},
            "features in another order: last_videos, likes_30d, stars_avg_7d, ratings_10m",
        ),
        ({"keys": {"user_id": "video_id"}}, "keys none → {user_id: video_id}"),
    ],
)
def test_what_changes_values_rebuilds_the_group_and_renews_its_views(catalog, changes, line):
    catalog.apply([RANKING])
    plan = catalog.plan([replace(TASTE, **changes)])
    assert line in words(plan, "group", "user_taste")
    assert any("is rebuilt" in text for text in words(plan, "group", "user_taste"))
    assert "reads group user_taste:2 (was :1)" in words(plan, "view", "ranking")


def test_a_source_may_grow_without_touching_its_groups(catalog):
    catalog.apply([RANKING])
    plan = catalog.apply([replace(RATINGS, schema={**RATINGS.schema, "device": "string"}, stream=None, owner="core")])
    assert [entry.name for entry in plan.changed] == ["ratings"]
    assert words(plan, "source", "ratings") == ["column device added: string", "owner none → 'core'", "stream 'ratings' → none"]
    assert not catalog.group("user_taste").group.is_realtime
    assert "device" in catalog.view("ranking").groups["user_taste"].group.source.schema


def test_a_column_added_to_a_source_leaves_its_groups_as_they_are(catalog):
    catalog.apply([RANKING])
    plan = catalog.plan([replace(RATINGS, schema={**RATINGS.schema, "device": "string"})])
    assert [(entry.kind, entry.name) for entry in plan.changed] == [("source", "ratings")]


def test_the_timestamp_of_a_source_stays(catalog):
    catalog.apply([RATINGS])
    with pytest.raises(DefinitionError, match="timestamp was 'rated_at' and can't become 'seen_at'"):
        catalog.apply([replace(RATINGS, timestamp="seen_at", schema={**RATINGS.schema, "seen_at": "timestamp"})])


def test_a_column_keeps_its_type_under_a_removed_name_too(catalog):
    catalog.apply([RATINGS])
    other = replace(RATINGS, schema={**RATINGS.schema, "stars": "int64"})
    with pytest.raises(DefinitionError, match="column 'stars' was float64 and can't become int64"):
        catalog.apply([other])
    catalog.apply([], prune=True)
    with pytest.raises(DefinitionError, match="'stars'"):
        catalog.apply([other])


def test_a_list_cannot_break_what_the_catalog_keeps(catalog):
    catalog.apply([RANKING])
    smaller = replace(RATINGS, schema={name: kind for name, kind in RATINGS.schema.items() if name != "stars"})
    with pytest.raises(DefinitionError, match=r"'user_taste', feature 'likes_30d', where: .* unknown column 'stars'"):
        catalog.plan([smaller])
    with pytest.raises(DefinitionError, match="view 'ranking': group 'video_facts' has no feature 'is_comedy'"):
        catalog.plan([replace(FACTS, features={"title": "title"})])
    assert catalog.plan([smaller], prune=True)


def test_changes_of_views_are_told(catalog):
    catalog.apply([RANKING])
    plan = catalog.plan([replace(RANKING, features=[TASTE.keyed(user_id="author_id"), FACTS["title"].prefixed("film_")])])
    assert words(plan, "view", "ranking")[:5] == [
        "group user_taste: keys none → {user_id: author_id}",
        "group video_facts prefixed 'film_' added",
        "group video_facts removed",
        "on-demand doubled removed",
        "new training sets and models read ranking:2; those of ranking:1 keep theirs",
    ]
