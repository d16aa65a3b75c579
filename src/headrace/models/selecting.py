"""Which version a selector means: a number, `"@alias"`, a stage or `"latest"`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from headrace.errors import InvalidInputError, NotFoundError
from headrace.models import lifecycle
from headrace.models.lifecycle import STAGES, parse_stage
from headrace.models.version import RegisteredModel

__all__ = ["Selector", "select"]

Selector = Annotated[int | str, "a number, '@ALIAS', 'latest' or a stage"]


def select(model: RegisteredModel, version: Selector | None) -> int:
    """The number of the version that is meant. Raises NotFoundError, and InvalidInputError for what is no selector."""
    numbers = model.lifecycle.versions
    text = "" if version is None else str(version)  # Python's None isn't the stage of that name
    if text.isdecimal():
        if int(text) not in numbers:
            error = NotFoundError.of(f"version of {model.name!r}", text, map(str, numbers))
            raise error
        return int(text)
    if text.startswith("@"):
        return _by_alias(model, text[1:])
    if text.lower() == "latest":
        return _newest(model, "version", numbers)
    if text.lower() not in {stage.lower() for stage in STAGES}:
        hint = f"; did you mean '@{text}'?" if text in model.aliases else ""
        msg = f"{version!r} names no version of {model.name!r}: use a number, '@ALIAS', 'latest' or a stage{hint}"
        raise InvalidInputError(msg)
    stage = parse_stage(text)
    if stage == "Staging":
        return _newest(model, "version in Staging", model.lifecycle.staging[-1:])
    return _newest(model, f"version in {stage}", [number for number in numbers if model.lifecycle.stage_of(number) == stage])


def _by_alias(model: RegisteredModel, alias: str) -> int:
    if alias in model.aliases:
        return model.aliases[alias]
    if alias == lifecycle.CHAMPION:
        msg = f"the model {model.name!r} has no champion: no version is in Production; promote one"
        raise NotFoundError(msg)
    error = NotFoundError.of(f"alias of {model.name!r}", alias, model.aliases)
    raise error


def _newest(model: RegisteredModel, what: str, numbers: Sequence[int]) -> int:
    if not numbers:
        msg = f"the model {model.name!r} has no {what}"
        raise NotFoundError(msg)
    return max(numbers)
