"""Train two rankers on point-in-time features, prove that no label saw its own rating, and log everything to a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from definitions import GENRES
from plots import calibration, roc
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import headrace as hr

if TYPE_CHECKING:
    from headrace.features.training import TrainingSet
    from headrace.tracking.run import LoggedModel

__all__ = [
    "HISTORICAL",
    "REAL_TIME",
    "Trained",
    "ablation",
    "baseline",
    "challenger",
    "check_leakage",
    "train",
    "within_user_auc",
]

DAY, HALF_DAY = 86_400, 43_200
VALIDATION_SHARE = 0.1

HISTORICAL = [
    "video_ratings",
    "video_ratings_365d",
    "video_likes",
    "video_stars_avg",
    "video_stars_avg_365d",
    "year",
    *(f"is_{genre.lower()}" for genre in GENRES),
]
"""What is known of a film without knowing who asks: it moves slowly, a nightly job would do."""

REAL_TIME = [
    "ratings",
    "ratings_10m",
    "ratings_30d",
    "likes_30d",
    "stars_avg",
    "stars_avg_1h",
    "stars_std",
    "last_stars",
    *(f"g{place}_{name}" for place in (1, 2, 3) for name in ("ratings", "stars_avg")),
    "taste_gap",
    "genre_gap",
]
"""What the user did up to this very moment."""


@dataclass(frozen=True)
class Trained:
    """A model that was trained and logged: how it did on the newest tenth of its own training rows, and where it is kept."""

    run_id: str
    logged: LoggedModel
    rows: int
    auc: float


def baseline(seed: int) -> Pipeline:
    """Logistic regression on historical features alone."""
    columns = ColumnTransformer([("features", SimpleImputer(strategy="median", add_indicator=True), HISTORICAL)])
    return Pipeline(
        [("columns", columns), ("scale", StandardScaler()), ("model", LogisticRegression(max_iter=1000, random_state=seed))]
    )


def challenger(seed: int, features: Sequence[str] = (*HISTORICAL, *REAL_TIME)) -> Pipeline:
    """Gradient-boosted trees on historical and real-time features; trees take nulls as they are."""
    columns = ColumnTransformer([("features", "passthrough", list(features))])
    trees = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=100, early_stopping=False, random_state=seed
    )
    return Pipeline([("columns", columns), ("model", trees)])


def train(store: hr.Store, name: str, model: Pipeline, data: TrainingSet, seed: int) -> Trained:
    """Validate on the newest tenth of the rows, then fit on all; parameters, figures, plots, data and model go to a run."""
    frame = data.to_pandas().sort_values("rated_at", kind="stable")
    cut = int(len(frame) * (1 - VALIDATION_SHARE))
    older, newer = frame.iloc[:cut], frame.iloc[cut:]
    params = {"model": type(model[-1]).__name__, "features": len(model[0].transformers[0][2]), "seed": seed}
    with store.start_run(experiment="video-ranker", name=name, params=params, tags={"team": "recsys"}) as run:
        run.use(data)
        score = pd.Series(model.fit(older, older["liked"]).predict_proba(newer)[:, 1], newer.index)
        auc = float(roc_auc_score(newer["liked"], score))
        run.log_metrics({"valid_auc": auc, "valid_auc_within_user": within_user_auc(newer, score), "rows": len(frame)})
        curves = {name: (newer["liked"].to_numpy(), score.to_numpy())}
        run.log_figure("roc.png", roc(curves, "Validation: the newest tenth of the training rows"))
        run.log_figure("calibration.png", calibration(curves, "Validation: the newest tenth of the training rows"))
        model.fit(frame, frame["liked"])
        example = frame[list(model[0].transformers[0][2])].head(3)
        logged = run.log_model(model, name, view="ranking", example=example)
    return Trained(run.id, logged, len(frame), auc)


def ablation(rows: pd.DataFrame, unseen: pd.DataFrame, seed: int) -> dict[str, float]:
    """Where the gain comes from: the AUC on `unseen` of the challenger's own trees, trained on the same rows without the
    real-time features, and of one feature alone, the mean of all stars that the user gave before."""
    trees = challenger(seed, HISTORICAL).fit(rows, rows["liked"])
    generosity = unseen["stars_avg"].fillna(rows["stars_avg"].mean())
    return {
        "trees_without_real_time": float(roc_auc_score(unseen["liked"], trees.predict_proba(unseen)[:, 1])),
        "user_mean_alone": float(roc_auc_score(unseen["liked"], generosity)),
    }


def within_user_auc(frame: pd.DataFrame, score: pd.Series, least: int = 20) -> float:
    """The AUC within each user's own ratings, averaged over users with enough of both kinds: how well films are *ordered* for
    one person. The plain AUC also rewards knowing who is generous, which reorders nobody's list."""
    table = pd.DataFrame({"user": frame["user_id"], "liked": frame["liked"], "score": score})
    groups = [group for _, group in table.groupby("user") if len(group) >= least and group["liked"].nunique() == 2]
    return float(np.mean([roc_auc_score(group["liked"], group["score"]) for group in groups]))


def check_leakage(frame: pd.DataFrame, ratings: pd.DataFrame) -> int:
    """Compute counts and means again with NumPy, straight from the ratings and strictly before each label's moment, and
    compare all rows. Returns the number of rows that differ."""
    asked = _seconds(frame["rated_at"])
    by_user = _History(ratings["user_id"], ratings)
    by_video = _History(ratings["video_id"], ratings)
    begin = (asked - 30 * DAY) // HALF_DAY * HALF_DAY  # the tail of a 30-day window moves in steps of its hop, half a day
    wrong = frame["ratings"] != by_user.count(frame["user_id"], None, asked)
    wrong |= frame["ratings_30d"] != by_user.count(frame["user_id"], begin, asked)
    wrong |= frame["video_ratings"] != by_video.count(frame["video_id"], None, asked)
    for column, history, key in (("stars_avg", by_user, "user_id"), ("video_stars_avg", by_video, "video_id")):
        expected = history.mean(frame[key], asked)
        wrong |= (frame[column] != expected) & ~(frame[column].isna() & np.isnan(expected))
    return int(wrong.sum())


class _History:
    """The ratings of each key in order of time, for counting by binary search."""

    def __init__(self, keys: pd.Series, ratings: pd.DataFrame) -> None:
        places = _place(keys, _seconds(ratings["rated_at"]))
        order = np.argsort(places, kind="stable")
        self._places = places[order]
        self._sums = np.concatenate([[0.0], np.cumsum(ratings["stars"].to_numpy()[order])])  # halves add up exactly

    def count(self, keys: pd.Series, begin: np.ndarray | None, end: np.ndarray) -> np.ndarray:
        low, high = self._bounds(keys, begin, end)
        return high - low

    def mean(self, keys: pd.Series, end: np.ndarray) -> np.ndarray:
        low, high = self._bounds(keys, None, end)
        with np.errstate(invalid="ignore"):
            return (self._sums[high] - self._sums[low]) / (high - low)

    def _bounds(self, keys: pd.Series, begin: np.ndarray | None, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = np.zeros_like(end) if begin is None else begin
        return np.searchsorted(self._places, _place(keys, first)), np.searchsorted(self._places, _place(keys, end))


def _place(keys: pd.Series, seconds: np.ndarray) -> np.ndarray:
    return keys.to_numpy(np.int64) * 2**32 + seconds


def _seconds(times: pd.Series) -> np.ndarray:
    return times.astype("datetime64[us, UTC]").astype("int64").to_numpy() // 1_000_000
