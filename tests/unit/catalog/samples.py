"""The recommender's definitions."""

from __future__ import annotations

import headrace.definitions.aggregation as hr
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.on_demand import on_demand
from headrace.definitions.source import EventSource, TableSource
from headrace.definitions.view import FeatureView

USER = Entity("user", keys={"user_id": "int64"})
VIDEO = Entity("video", keys={"video_id": "int64"})
RATINGS = EventSource(
    "ratings",
    timestamp="rated_at",
    stream="ratings",
    schema={"user_id": "int64", "video_id": "int64", "stars": "float64", "rated_at": "timestamp"},
)
VIDEOS = TableSource(
    "videos",
    timestamp="updated_at",
    schema={"video_id": "int64", "title": "string", "genres": "string", "updated_at": "timestamp"},
)
TASTE = FeatureGroup(
    "user_taste",
    USER,
    RATINGS,
    ttl="365d",
    owner="recsys",
    features={
        "ratings_10m": hr.count("10m"),
        "stars_avg_7d": hr.mean("stars", "7d"),
        "likes_30d": hr.count("30d", where="stars >= 4"),
        "last_videos": hr.last_n("video_id", 5),
    },
)
FACTS = FeatureGroup("video_facts", VIDEO, VIDEOS, {"is_comedy": "contains(genres, 'Comedy')", "title": "title"})


@on_demand(inputs=["stars_avg_7d"], returns="float64")
def doubled(average):
    return average * 2


RANKING = FeatureView("ranking", [TASTE, FACTS["is_comedy"], doubled])
