"""Stages and aliases of another registry, as our state machine holds them: one champion, in Production. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from headrace.errors import InvalidInputError
from headrace.ids import content_hash
from headrace.importers.source import SourceModel
from headrace.models.lifecycle import CHALLENGER, CHAMPION, PROTECTED, STAGES, Lifecycle, Stage
from headrace.models.version import check_alias

__all__ = ["LIFECYCLE_TAG", "Target", "current", "following", "wanted"]

LIFECYCLE_TAG = "headrace.import.lifecycle"
"""The tag of a model that holds what `current` said after the last import."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an import wants versions to stand.

    Attributes:
        stages: of every carried version, under its number here.
        staging: those in Staging, in the order they came there.
        pointers: aliases set by hand.
    """

    stages: Mapping[int, Stage]
    staging: tuple[int, ...]
    pointers: Mapping[str, int]


def wanted(model: SourceModel, numbers: Mapping[int, int]) -> tuple[Target, list[tuple[str, str]]]:
    """What the source wants, and what of it can't be: (which, why).

    Args:
        numbers: the source's version → the version here.
    """
    left: list[tuple[str, str]] = []
    carried = sorted((v for v in model.versions if v.version in numbers), key=lambda v: (v.updated, v.version))
    stages: dict[int, Stage] = {}
    for version in carried:
        stage: Stage = next((name for name in STAGES if name == version.stage), "None")
        if stage != version.stage:
            left.append((f"/{version.version}", f"there is no stage {version.stage!r} here"))
        stages[numbers[version.version]] = stage
    aliases = {alias: numbers[version] for alias, version in model.aliases.items() if version in numbers}
    for alias, stage in ((CHAMPION, "Production"), (CHALLENGER, "Staging")):
        _follow(alias, stage, aliases, stages, left)
    _one_champion(stages, aliases.get(CHAMPION), [numbers[v.version] for v in carried], left)
    staging = [numbers[v.version] for v in carried if stages[numbers[v.version]] == "Staging"]
    staging.sort(key=lambda number: number == aliases.get(CHALLENGER))
    return Target(stages, tuple(staging), _pointers(aliases, left)), left


def following(before: Lifecycle, target: Target) -> Lifecycle:
    """The lifecycle after the import; versions that it doesn't know stay where they are."""
    stages = {**{version: before.stage_of(version) for version in before.versions}, **target.stages}

    def of(stage: Stage) -> list[int]:
        return [version for version, found in stages.items() if found == stage]

    production = next(iter(of("Production")), None)
    old = before.production
    earlier = () if old in (None, production) else (old,)
    others = tuple(version for version in before.staging if version not in target.stages)
    return replace(
        before,
        idle=frozenset(of("None")),
        staging=(*others, *target.staging),
        production=production,
        archived=frozenset(of("Archived")),
        predecessors=(*before.predecessors, *earlier),
        reigned=before.reigned | ({production} if production is not None else set()),
        pointers={**before.pointers, **target.pointers},
        revision=before.revision + 1,
    )


def current(state: Lifecycle) -> str:
    """A hash of stages and aliases; versions in no stage don't count, so that a new one changes nothing."""
    stages = {str(version): state.stage_of(version) for version in state.versions if version not in state.idle}
    return content_hash({"stages": stages, "aliases": state.aliases})[:24]


def _follow(alias: str, stage: Stage, aliases: Mapping[str, int], stages: dict[int, Stage], left: list[tuple[str, str]]) -> None:
    """@champion is the version in Production here, and @challenger the newest one in Staging: move it there if it stands idle."""
    number = aliases.get(alias)
    if number is None or stages[number] == stage:
        return
    if stages[number] == "Production":
        left.append((f"@{alias}", f"version {number} is in Production, and @{alias} names one in {stage} here"))
        return
    left.append((f"/{number}", f"it is in {stage} here, because @{alias} names it"))
    stages[number] = stage


def _one_champion(stages: dict[int, Stage], champion: int | None, order: list[int], left: list[tuple[str, str]]) -> None:
    """Production holds one version: that of @champion, else the one that came there last; the others are Archived."""
    several = [number for number in order if stages[number] == "Production"]
    kept = champion if champion in several else (several[-1] if several else None)
    for number in several:
        if number != kept:
            left.append((f"/{number}", f"it is Archived here: Production holds one version, and that is {kept}"))
            stages[number] = "Archived"


def _pointers(aliases: Mapping[str, int], left: list[tuple[str, str]]) -> dict[str, int]:
    found = {}
    for alias, number in aliases.items():
        if alias in PROTECTED:
            continue
        try:
            check_alias(alias)
        except InvalidInputError as error:
            left.append((f"@{alias}", str(error)))
            continue
        if alias.lower() in PROTECTED:
            left.append((f"@{alias}", "that name, in any case, belongs to the version in Production or Staging here"))
            continue
        found[alias] = number
    return found
