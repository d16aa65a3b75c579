"""Replay the newer ratings as a stream: before each piece is pushed, ask online what serving would have known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from etl import KEYS, PLACES, MovieLens

import headrace as hr

__all__ = ["Replay", "replay"]

PIECE_ROWS = 500
CANDIDATES = 10
DELIVERED_TWICE = 3


@dataclass(frozen=True)
class Replay:
    """What the replay did.

    Attributes:
        ratings, events: ratings pushed; rows pushed in all, those by genre included.
        pushes: calls of `store.push`, two for each piece of the stream.
        seconds: time spent in `store.push` alone.
        repeats: rows that the second delivery of one piece brought, all of which were left out.
        served: what was answered online on the way, one entry a film: keys, `rated_at` and the values that came back.
    """

    ratings: int
    events: int
    pushes: int
    seconds: float
    repeats: int
    served: list[dict[str, Any]]


def replay(store: hr.Store, movielens: MovieLens, since: pd.Timestamp, seed: int, progress: Callable[[int, int], None]) -> Replay:
    """Push every rating from `since` on, in order. One piece is delivered twice, as networks do."""
    pieces = list(_pieces(movielens, since))
    served: list[dict[str, Any]] = []
    events, repeats, seconds = 0, 0, 0.0
    for number, (ratings, by_genre) in enumerate(pieces):
        served += _ask(store, ratings.iloc[0], movielens.videos, seed + number)
        rows = ratings.drop(columns=PLACES)
        begin = time.perf_counter()
        events += store.push("ratings", rows).rows + store.push("genre_ratings", by_genre).rows
        seconds += time.perf_counter() - begin
        if number == DELIVERED_TWICE:
            repeats = store.push("ratings", rows).repeats
        progress(number + 1, len(pieces))
    return Replay(sum(len(ratings) for ratings, _ in pieces), events, 2 * len(pieces), seconds, repeats, served)


def _pieces(movielens: MovieLens, since: pd.Timestamp) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Neighbouring ratings, and the same by genre. Ratings of one second stay together: their order isn't known."""
    ratings = movielens.ratings[movielens.ratings["rated_at"] >= since]
    starts = ratings["rated_at"].iloc[::PIECE_ROWS].drop_duplicates().tolist()
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        yield _between(ratings, start, end), _between(movielens.genre_ratings, start, end)


def _between(frame: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp | None) -> pd.DataFrame:
    times = frame["rated_at"]
    low = times.searchsorted(start)
    return frame.iloc[low : None if end is None else times.searchsorted(end)]


def _ask(store: hr.Store, upcoming: pd.Series, videos: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    """The features for the next user of some films at random, at the moment of their next rating."""
    moment = upcoming["rated_at"].to_pydatetime()
    films = videos.sample(CANDIDATES, random_state=seed)
    request = {name: [None if pd.isna(value) else value for value in films[name]] for name in KEYS[1:]}
    answer = store.online_features("ranking", {"user_id": int(upcoming["user_id"])} | request, at=moment).to_dict()
    return [{"rated_at": moment} | {name: values[row] for name, values in answer.items()} for row in range(CANDIDATES)]
