"""A project with features, a model and versions of it, for tests and benchmarks of serving; and the service over it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import headrace as hr
from servers.headrace import HeadraceServer

CHAMPION = "models:/ranker@champion"
FEATURES = ["likes", "stars_avg"]


def definitions() -> list[Any]:
    """A view of one user's taste."""
    user = hr.Entity("user", keys={"user_id": "int64"})
    schema = {"user_id": "int64", "stars": "float64", "rated_at": "timestamp"}
    ratings = hr.EventSource("ratings", timestamp="rated_at", stream="ratings", schema=schema)
    features = {"likes": hr.count("30d", where="stars >= 4"), "stars_avg": hr.mean("stars", "30d")}
    return [hr.FeatureView("ranking", features=[hr.FeatureGroup("taste", entity=user, source=ratings, features=features)])]


def fill(store: hr.Store, users: int = 20, rows: int = 400) -> None:
    """Ratings of the last hours, online."""
    rng = np.random.default_rng(1)
    now = datetime.now(UTC)
    stars = rng.integers(1, 6, rows).astype(float)
    times = [now - timedelta(seconds=float(seconds)) for seconds in rng.uniform(60, 9000, rows)]
    store.write("ratings", pd.DataFrame({"user_id": rng.integers(0, users, rows), "stars": stars, "rated_at": times}))
    store.materialize()


def constant(value: float) -> Any:
    """A model that always predicts one number: one sees which version answered."""
    from sklearn.dummy import DummyRegressor

    return DummyRegressor(strategy="constant", constant=value).fit(
        pd.DataFrame({"likes": [1, 2], "stars_avg": [1.0, 2.0]}), [value] * 2
    )


def register(
    store: hr.Store, model: Any, name: str = "ranker", view: str | None = "ranking", example: Any = None, **options: Any
) -> Any:
    """The next version of a registered model."""
    if example is None:
        example = pd.DataFrame({"likes": [1, 2], "stars_avg": [1.5, 2.5]})
    with store.start_run(experiment="ranker") as run:
        logged = run.log_model(model, "ranker", view=view, example=example, **options)
    return store.models.register(logged, name)


class Client:
    """Asks a service over one connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)

    def ask(self, path: str, body: Any = None, media_type: str = "application/json") -> tuple[int, Any, Mapping[str, str]]:
        """Status, body and headers: of a POST if there is a body, else of a GET."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Content-Type": media_type} if data is not None else {}
        method = "GET" if data is None else "POST"
        try:
            self._connection.request(method, path, data, headers)
            answer = self._connection.getresponse()
        except ConnectionError:  # a service closes a connection that asks nothing for a while
            self._connection.close()
            self._connection.request(method, path, data, headers)
            answer = self._connection.getresponse()
        text = answer.read()
        parsed = json.loads(text) if answer.headers.get_content_type().endswith("json") and text.strip() else text
        return answer.status, parsed, {name.lower(): value for name, value in answer.headers.items()}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def service(project: Path, uri: str = CHAMPION, *arguments: str) -> Iterator[Client]:
    """A client of `headrace serve` over a project."""
    with HeadraceServer(project, uri, *arguments, verb="serve") as server:
        client = Client(server.url)
        client.server = server
        try:
            yield client
        finally:
            client.close()
