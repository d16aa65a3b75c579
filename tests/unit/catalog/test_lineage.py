"""Lineage of definitions: from columns to features, groups and views."""

from __future__ import annotations

from headrace.catalog.lineage import lineage_pairs
from unit.catalog.samples import RANKING


def test_columns_lead_to_the_features_that_read_them(catalog):
    pairs = lineage_pairs(catalog.apply([RANKING]).groups[0])
    assert ("source:ratings", "source:ratings.stars") in pairs
    assert ("source:ratings.stars", "feature:user_taste:1.likes_30d") in pairs
    assert ("source:ratings.video_id", "feature:user_taste:1.last_videos") in pairs
    assert ("feature:user_taste:1.likes_30d", "group:user_taste:1") in pairs
    assert ("source:ratings.stars", "feature:user_taste:1.ratings_10m") not in pairs


def test_a_feature_without_columns_hangs_on_the_source(catalog):
    assert ("source:ratings", "feature:user_taste:1.ratings_10m") in lineage_pairs(catalog.apply([RANKING]).groups[0])


def test_keys_and_timestamp_lead_to_the_group(catalog):
    pairs = lineage_pairs(catalog.apply([RANKING]).groups[0])
    assert {("source:ratings.user_id", "group:user_taste:1"), ("source:ratings.rated_at", "group:user_taste:1")} <= set(pairs)


def test_groups_lead_to_the_views_that_read_them(catalog):
    assert lineage_pairs(catalog.apply([RANKING]).views[0]) == [
        ("group:user_taste:1", "view:ranking:1"),
        ("group:video_facts:1", "view:ranking:1"),
    ]
