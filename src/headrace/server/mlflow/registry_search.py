"""Searches among registered models and their versions, by MLflow's grammar."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from headrace.models.version import ModelVersion, RegisteredModel
from headrace.server.mlflow.wire import millis
from headrace.store import Store
from headrace.tracking.search import MODEL_VERSIONS, REGISTERED_MODELS, Comparison, Order, parse_filter, parse_order

__all__ = ["PROMPT", "search_models", "search_versions"]

Thing = TypeVar("Thing")
PROMPT = "mlflow.prompt.is_prompt"
"""A model without this tag isn't a prompt, so it is found by whoever looks for `!= 'true'`."""


def _like(text: str, pattern: str) -> bool:
    """Whether a text is like a pattern with `%` and `_`. Each piece is taken where it fits first: no pattern takes for ever."""
    first, *rest = [
        re.compile("".join("." if c == "_" else re.escape(c) for c in part), re.DOTALL) for part in pattern.split("%")
    ]
    if not rest:
        return first.fullmatch(text) is not None
    start = first.match(text)
    if start is None:
        return False
    at = start.end()
    for part in rest[:-1]:
        found = part.search(text, at)
        if found is None:
            return False
        at = found.end()
    length = len(pattern.rpartition("%")[2])
    return len(text) - length >= at and rest[-1].fullmatch(text, len(text) - length) is not None


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda held, asked: held == asked,
    "!=": lambda held, asked: held != asked,
    "<": lambda held, asked: held < asked,
    "<=": lambda held, asked: held <= asked,
    ">": lambda held, asked: held > asked,
    ">=": lambda held, asked: held >= asked,
    "IN": lambda held, asked: held in asked,
    "NOT IN": lambda held, asked: held not in asked,
    "LIKE": _like,
    "ILIKE": lambda held, asked: _like(held.lower(), asked.lower()),
}


def search_models(store: Store, text: str, order_by: Sequence[str]) -> list[RegisteredModel]:
    """The registered models that match a filter, ordered; then by name. Raises InvalidInputError for a fault in the text."""
    conditions, order = parse_filter(text, REGISTERED_MODELS), parse_order(order_by, REGISTERED_MODELS)
    found = [model for model in store.models.list() if all(_holds(_of_model(model), model.tags, item) for item in conditions)]
    found.sort(key=lambda model: model.name)
    return _ordered(found, order, _of_model)


def search_versions(store: Store, text: str, order_by: Sequence[str]) -> list[ModelVersion]:
    """The versions that match a filter, ordered; then by name, the newest first. Without an order, those changed last."""
    conditions, order = parse_filter(text, MODEL_VERSIONS), parse_order(order_by, MODEL_VERSIONS)
    named = [item for item in conditions if item.entity == "attribute" and item.key == "name"]
    names = [name for name in store.models.store.names() if all(_test(name, item) for item in named)]
    versions = [version for name in names for version in store.models.store.versions(name)]
    found = [version for version in versions if all(_holds(_of_version(version), version.tags, item) for item in conditions)]
    found.sort(key=lambda version: (0 if order else -version.updated, version.name, -version.version))
    return _ordered(found, order, _of_version)


def _of_model(model: RegisteredModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "creation_timestamp": millis(model.created),
        "last_updated_timestamp": millis(model.updated),
    }


def _of_version(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "run_id": version.run_id,
        "source_path": version.source,
        "version_number": version.version,
        "creation_timestamp": millis(version.created),
        "last_updated_timestamp": millis(version.updated),
    }


def _holds(attributes: dict[str, Any], tags: Any, condition: Comparison) -> bool:
    held = attributes[condition.key] if condition.entity == "attribute" else tags.get(condition.key)
    if held is None and condition.key == PROMPT:
        held = "false"
    return held is not None and _test(held, condition)


def _test(held: Any, condition: Comparison) -> bool:
    return _TESTS[condition.operator](held, condition.value)


def _ordered(found: list[Thing], order: Sequence[Order], of: Callable[[Thing], dict[str, Any]]) -> list[Thing]:
    for key in reversed(order):  # each sort keeps what the ones before made of equals
        found.sort(key=lambda thing, name=key.key: of(thing)[name], reverse=not key.ascending)  # type: ignore[misc]
    return found
