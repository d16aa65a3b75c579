"""Requests that are wrong in one way each, or at the edge of right, for any server of MLflow's protocol.

A request is a name, a method, a path and a body; `{run}`, `{experiment}`, `{model}` and `{logged}` in it stand for the ids of a
run, an experiment, a registered model with one version, and a logged model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["REQUESTS", "Request", "filled"]

Request = tuple[str, str, str, Any]
API = "/api/2.0/mlflow/"
T = 1_700_000_000_000
_METRIC = {"key": "m", "value": 1.0, "timestamp": T, "step": 0}
_PAIR = {"key": "k", "value": "v"}
_GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "experiments/create": ("POST", {"name": "wrong", "artifact_location": "wrong-place", "tags": [_PAIR]}),
    "experiments/search": ("POST", {"max_results": 5, "filter": "name = 'x'", "order_by": ["name"], "view_type": "ALL"}),
    "experiments/update": ("POST", {"experiment_id": "{experiment}", "new_name": "renamed"}),
    "experiments/set-experiment-tag": ("POST", {"experiment_id": "{experiment}", "key": "k", "value": "v"}),
    "experiments/get": ("GET", {"experiment_id": "{experiment}"}),
    "experiments/get-by-name": ("GET", {"experiment_name": "nobody's"}),
    "experiments/delete": ("POST", {"experiment_id": "987"}),
    "runs/create": ("POST", {"experiment_id": "{experiment}", "user_id": "u", "run_name": "n", "start_time": T, "tags": [_PAIR]}),
    "runs/update": ("POST", {"run_id": "{run}", "status": "FINISHED", "end_time": T, "run_name": "n"}),
    "runs/delete": ("POST", {"run_id": "0" * 32}),
    "runs/get": ("GET", {"run_id": "{run}"}),
    "runs/search": (
        "POST",
        {
            "experiment_ids": ["{experiment}"],
            "filter": "metrics.m > 0",
            "max_results": 5,
            "order_by": ["start_time"],
            "run_view_type": "ALL",
        },
    ),
    "runs/log-metric": ("POST", {"run_id": "{run}", **_METRIC}),
    "runs/log-parameter": ("POST", {"run_id": "{run}", "key": "p", "value": "v"}),
    "runs/set-tag": ("POST", {"run_id": "{run}", "key": "t", "value": "v"}),
    "runs/delete-tag": ("POST", {"run_id": "{run}", "key": "mlflow.runName"}),
    "runs/log-batch": ("POST", {"run_id": "{run}", "metrics": [_METRIC], "params": [_PAIR], "tags": [_PAIR]}),
    "runs/log-inputs": (
        "POST",
        {
            "run_id": "{run}",
            "datasets": [
                {
                    "tags": [_PAIR],
                    "dataset": {
                        "name": "d",
                        "digest": "x",
                        "source_type": "local",
                        "source": "s",
                        "schema": "{}",
                        "profile": "{}",
                    },
                }
            ],
        },
    ),
    "runs/outputs": ("POST", {"run_id": "{run}", "models": [{"model_id": "{logged}", "step": 1}]}),
    "metrics/get-history": ("GET", {"run_id": "{run}", "metric_key": "m", "max_results": 5}),
    "logged-models": (
        "POST",
        {
            "experiment_id": "{experiment}",
            "name": "l",
            "model_type": "t",
            "source_run_id": "{run}",
            "params": [_PAIR],
            "tags": [_PAIR],
        },
    ),
    "logged-models/search": ("POST", {"experiment_ids": ["{experiment}"], "filter": "name = 'x'", "max_results": 5}),
    "registered-models/create": ("POST", {"name": "wrong model", "description": "d", "tags": [_PAIR]}),
    "registered-models/rename": ("POST", {"name": "no such model", "new_name": "other"}),
    "registered-models/update": ("PATCH", {"name": "{model}", "description": "d"}),
    "registered-models/set-tag": ("POST", {"name": "{model}", "key": "k", "value": "v"}),
    "registered-models/search": ("GET", {"filter": "name = 'x'", "max_results": 5}),
    "registered-models/alias": ("POST", {"name": "{model}", "alias": "best", "version": "1"}),
    "model-versions/create": (
        "POST",
        {"name": "{model}", "source": "models:/{logged}", "run_id": "{run}", "model_id": "{logged}", "tags": [_PAIR]},
    ),
    "model-versions/update": ("PATCH", {"name": "{model}", "version": "1", "description": "d"}),
    "model-versions/set-tag": ("POST", {"name": "{model}", "version": "1", "key": "k", "value": "v"}),
    "model-versions/transition-stage": (
        "POST",
        {"name": "{model}", "version": "1", "stage": "Staging", "archive_existing_versions": False},
    ),
    "model-versions/get": ("GET", {"name": "{model}", "version": "1"}),
    "model-versions/search": ("GET", {"filter": "name = 'x'", "max_results": 5}),
}
"""A request to each route that would be right."""

_WRONG_TYPES: tuple[Any, ...] = (7, True, {"a": 1}, ["x"], "text", None, "")
_LONG = {
    "runs/log-metric key": 250,
    "runs/log-parameter key": 250,
    "runs/set-tag key": 250,
    "runs/log-parameter value": 6000,
    "runs/set-tag value": 8000,
    "experiments/create name": 500,
    "experiments/update new_name": 500,
    "experiments/set-experiment-tag key": 250,
    "experiments/set-experiment-tag value": 20_000,
    "registered-models/create description": 5000,
    "registered-models/set-tag key": 250,
    "registered-models/set-tag value": 100_000,
    "registered-models/alias alias": 255,
    "model-versions/update description": 5000,
    "model-versions/set-tag key": 250,
    "model-versions/set-tag value": 100_000,
}
"""The longest text of a field."""
_MOST = {
    "experiments/search": 50_000,
    "runs/search": 50_000,
    "logged-models/search": 1000,
    "registered-models/search": 1000,
    "model-versions/search": 200_000,
}
"""The most results of a page."""
_EDGES: dict[str, tuple[Any, ...]] = {
    "runs/log-metric value": ("NaN", "nan", "Infinity", "-Infinity", "inf", "1e5", "0x10", " 1", "1_0", 10**400, "1e400", -0.0),
    "runs/log-metric timestamp": (-1, 2**63 - 1, 2**63, 10**30, "1", "1.0", 1.0, 1e3, "1e3", " 1", ""),
    "runs/log-metric step": (-1, -(2**63), -(2**63) - 1, 2**63 - 1, 2**63, "7", "7.5"),
    "runs/log-metric key": (
        "a b",
        "a/b",
        "a//b",
        "/a",
        "a/",
        "../a",
        "a/../b",
        "a:b",
        "a#b",
        "a?b",
        "a\\b",
        "a\nb",
        "é",
        "😀",
        " ",
        ".",
    ),
    "runs/set-tag key": ("a b", "../a", "a#b", "a\\b", "é", " "),
    "runs/log-parameter key": ("a b", "../a", "a#b", "a\\b", "é", " "),
    "runs/get run_id": ("..", "a/b", "%2e%2e", "é", "x" * 5000, "'; DROP TABLE runs; --"),
    "runs/create experiment_id": ("00", "+1", " 1", "1.0", "-1", "\u0661", "9" * 30, "abc"),
    "experiments/get experiment_id": ("00", "-1", "1.0", "9" * 30, "abc"),
    "runs/update status": ("finished", "6", 0, 1, 5, 6, -1),
    "runs/search filter": (
        "a" * 5000,
        "metrics.m > 1e400",
        "metrics.`m",
        "params.p = 'a",
        "metrics.m >",
        ";",
        "-- x",
        "metrics..m = 1",
    ),
    "runs/search order_by": ([""], ["start_time; DROP TABLE runs"], ["metrics.m", "metrics.m"], ["metrics.`m"]),
    "registered-models/create name": (" ", "a/b", "a:b", "a" * 256, "é", "a\nb"),
    "registered-models/alias alias": ("latest", "v1", "V12", "a b", "a/b", "1", "é", "Latest"),
    "registered-models/alias version": ("0", "-1", "2", "1.0", "x", "9" * 30),
    "model-versions/transition-stage stage": ("production", "STAGING", "nope", "archived", "none"),
    "logged-models name": ("a/b", "a:b", "a.b", "a%b", "a'b", "x" * 501, ".."),
    "metrics/get-history max_results": (0, -1, 2**31, "x"),
}
"""Values that are nearly right, or right though they don't look it."""


def _places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a body stand, itself left out."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from _places(value, (*path, key))


def _changed(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    found = json.loads(json.dumps(body))
    holder = found
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return found


def _without(body: Any, path: tuple[Any, ...]) -> Any:
    found = json.loads(json.dumps(body))
    holder = found
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return found


def _requests() -> Iterator[Request]:
    for route, (method, body) in _GOOD.items():
        for path in _places(body):
            where = f"{route} {'.'.join(map(str, path))}"
            if method == "GET":
                yield f"{where} left out", method, API + route, _without(body, path)
                continue
            for value in _WRONG_TYPES:
                yield f"{where} {value!r}", method, API + route, _changed(body, path, value)
            yield f"{where} left out", method, API + route, _without(body, path)
    for place, length in _LONG.items():
        for more in (0, 1):
            yield _with(place, "x" * (length + more), f"of {length + more}")
    for route, most in _MOST.items():
        for number in (0, -1, most, most + 1):
            yield _with(f"{route} max_results", number, str(number))
        for token in ("zzz", "e30=", "eyJvZmZzZXQiOiAtMX0="):
            yield _with(f"{route} page_token", token, token)
    for place, values in _EDGES.items():
        for value in values:
            yield _with(place, value, repr(value)[:60])


def _with(place: str, value: Any, shown: str) -> Request:
    route, field = place.split(" ")
    method, body = _GOOD[route]
    return f"{place} {shown}", method, API + route, {**body, field: value, "unknown": {"to": ["both"]}}


REQUESTS: tuple[Request, ...] = tuple(_requests())
"""Every field of every route with a value of another type or left out, at its limit and beyond it by one, and nearly right."""


def filled(body: Any, names: dict[str, str]) -> Any:
    """The body with what the placeholders stand for."""
    if isinstance(body, str):
        for name, value in names.items():
            body = body.replace("{" + name + "}", value)
        return body
    if isinstance(body, dict):
        return {key: filled(value, names) for key, value in body.items()}
    return [filled(value, names) for value in body] if isinstance(body, list) else body
