"""The stages of a model's versions as a pure state machine: named transitions, both views always in step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from headrace.errors import ConflictError, InvalidInputError, NotFoundError

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "PROTECTED",
    "STAGES",
    "TRANSITIONS",
    "Lifecycle",
    "Stage",
    "Transition",
    "add",
    "drop_alias",
    "forget",
    "move",
    "parse_stage",
    "point_alias",
    "predecessor",
    "rollback",
]

Stage = Literal["None", "Staging", "Production", "Archived"]
Transition = Literal["stage", "withdraw", "promote", "demote", "archive", "retire", "restore", "rollback"]

STAGES: tuple[Stage, ...] = get_args(Stage)
CHAMPION, CHALLENGER = "champion", "challenger"
PROTECTED = (CHAMPION, CHALLENGER)
"""Aliases that follow the stages; they are never set by hand."""

TRANSITIONS: Mapping[tuple[Stage, Stage], Transition] = {
    ("None", "Staging"): "stage",
    ("Staging", "None"): "withdraw",
    ("None", "Production"): "promote",
    ("Staging", "Production"): "promote",
    ("Production", "Staging"): "demote",
    ("None", "Archived"): "archive",
    ("Staging", "Archived"): "archive",
    ("Production", "Archived"): "retire",
    ("Archived", "Staging"): "restore",
    ("Archived", "Production"): "rollback",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Where every version of one registered model stands.

    At most one version is in Production because there is one place for it; `@champion` and `@challenger` are read off the
    stages, so the two views can't disagree.

    Attributes:
        idle: versions in no stage.
        staging: versions in Staging, in the order they came there: the last is `@challenger`.
        production: the version in Production, which is `@champion`; None if there is none.
        archived: versions put away.
        predecessors: versions that held Production before and were followed, oldest first: where a rollback goes.
        reigned: every version that ever held Production.
        pointers: aliases set by hand, alias to version.
        revision: grows by one with every change, so that a decision taken on an older state is noticed.
    """

    idle: frozenset[int] = frozenset()
    staging: tuple[int, ...] = ()
    production: int | None = None
    archived: frozenset[int] = frozenset()
    predecessors: tuple[int, ...] = ()
    reigned: frozenset[int] = frozenset()
    pointers: Mapping[str, int] = field(default_factory=dict)
    revision: int = 0

    @property
    def versions(self) -> list[int]:
        """All versions, ascending."""
        champion = () if self.production is None else (self.production,)
        return sorted([*self.idle, *self.staging, *champion, *self.archived])

    @property
    def champion(self) -> int | None:
        """The version in Production."""
        return self.production

    @property
    def challenger(self) -> int | None:
        """The version that came to Staging last."""
        return self.staging[-1] if self.staging else None

    @property
    def aliases(self) -> dict[str, int]:
        """Every alias and its version, the protected ones among them."""
        protected = {CHAMPION: self.champion, CHALLENGER: self.challenger}
        return {**self.pointers, **{alias: version for alias, version in protected.items() if version is not None}}

    def stage_of(self, version: int) -> Stage:
        """The stage of a version. Raises NotFoundError for one that doesn't exist."""
        if version == self.production:
            return "Production"
        if version in self.staging:
            return "Staging"
        if version in self.archived:
            return "Archived"
        if version in self.idle:
            return "None"
        missing = NotFoundError.of("version", str(version), map(str, self.versions))
        raise missing

    def aliases_of(self, version: int) -> tuple[str, ...]:
        """The aliases that name a version, sorted."""
        return tuple(sorted(alias for alias, target in self.aliases.items() if target == version))


def parse_stage(text: str) -> Stage:
    """The stage that `text` names, in any case. Raises InvalidInputError with the stages there are."""
    for stage in STAGES:
        if stage.lower() == str(text).lower():
            return stage
    msg = f"no stage named {text!r}; the stages are: {', '.join(STAGES)}"
    raise InvalidInputError(msg)


def add(state: Lifecycle, version: int) -> Lifecycle:
    """The state with a new version, in no stage."""
    return replace(state, idle=state.idle | {version}, revision=state.revision + 1)


def move(state: Lifecycle, version: int, to: Stage) -> Lifecycle:
    """The state after a version moved to a stage; the champion it follows is archived in the same step.

    A version that is there already leaves the state as it is.

    Raises:
        NotFoundError: there is no such version.
        ConflictError: no transition leads there; the message names those that do.
    """
    stage = state.stage_of(version)
    if stage == to:
        return state
    if (stage, to) not in TRANSITIONS:
        ways = ", ".join(f"{target} ({name})" for (source, target), name in TRANSITIONS.items() if source == stage)
        msg = f"version {version} can't move from {stage} to {to}; from {stage} it can move to: {ways}"
        raise ConflictError(msg)
    if TRANSITIONS[stage, to] == "rollback":
        return rollback(state, version)
    return _place(state, version, to)


def rollback(state: Lifecycle, to: int | None = None) -> Lifecycle:
    """The state after Production went back to the version before the champion, or to a named one that held it once.

    Going back forgets the reigns that were undone: a second rollback goes one further back, never to the version just left.
    Naming a later version goes forward again.

    Raises:
        NotFoundError: there is no such version.
        ConflictError: nothing came before, or the named version never held Production or holds it now.
    """
    target = to if to is not None else predecessor(state)
    state.stage_of(target)
    if target == state.production:
        msg = f"version {target} is in Production already; name another one that was: {_known(state.reigned - {target})}"
        raise ConflictError(msg)
    if target not in state.reigned:
        msg = f"version {target} was never in Production; promote it, or roll back to one that was: {_known(state.reigned)}"
        raise ConflictError(msg)
    moved = _place(state, target, "Production")
    if target in state.predecessors:
        return replace(moved, predecessors=state.predecessors[: state.predecessors.index(target)])
    return moved


def predecessor(state: Lifecycle) -> int:
    """The version that a rollback goes to. Raises ConflictError if nothing came before."""
    if state.predecessors:
        return state.predecessors[-1]
    others = state.reigned - {state.production}
    way = f"name one that was in Production: {_known(others)}" if others else "promote a version instead"
    msg = f"there is no earlier Production version to roll back to; {way}"
    raise ConflictError(msg)


def point_alias(state: Lifecycle, alias: str, version: int) -> Lifecycle:
    """The state with an alias set by hand.

    Raises:
        NotFoundError: there is no such version.
        ConflictError: the alias follows the stages.
    """
    _refuse_protected(alias)
    state.stage_of(version)
    if state.pointers.get(alias) == version:
        return state
    return replace(state, pointers={**state.pointers, alias: version}, revision=state.revision + 1)


def drop_alias(state: Lifecycle, alias: str) -> Lifecycle:
    """The state without an alias set by hand; one that isn't there leaves the state as it is.

    Raises:
        ConflictError: the alias follows the stages.
    """
    _refuse_protected(alias)
    if alias not in state.pointers:
        return state
    rest = {name: version for name, version in state.pointers.items() if name != alias}
    return replace(state, pointers=rest, revision=state.revision + 1)


def forget(state: Lifecycle, version: int) -> Lifecycle:
    """The state without a version and the aliases that named it.

    Raises:
        NotFoundError: there is no such version.
        ConflictError: it is in Production.
    """
    if state.stage_of(version) == "Production":
        msg = f"version {version} is in Production; promote another one, or archive it, and delete it then"
        raise ConflictError(msg)
    rest = _take(state, version)
    return replace(
        rest,
        predecessors=tuple(other for other in rest.predecessors if other != version),
        reigned=rest.reigned - {version},
        pointers={alias: target for alias, target in rest.pointers.items() if target != version},
        revision=state.revision + 1,
    )


def _refuse_protected(alias: str) -> None:
    if alias.lower() == CHAMPION:
        msg = "the alias 'champion' names the version in Production and moves only with it; use promote or rollback"
        raise ConflictError(msg)
    if alias.lower() == CHALLENGER:
        msg = "the alias 'challenger' names the newest version in Staging and moves only with it; use transition(..., 'Staging')"
        raise ConflictError(msg)


def _place(state: Lifecycle, version: int, to: Stage) -> Lifecycle:
    out = _take(state, version)
    if to == "None":
        out = replace(out, idle=out.idle | {version})
    elif to == "Staging":
        out = replace(out, staging=(*out.staging, version))
    elif to == "Archived":
        out = replace(out, archived=out.archived | {version})
    else:
        out = _crown(out, version)
    return replace(out, revision=state.revision + 1)


def _take(state: Lifecycle, version: int) -> Lifecycle:
    if version == state.production:
        return replace(state, production=None, predecessors=_followed(state, version))
    return replace(
        state,
        idle=state.idle - {version},
        staging=tuple(other for other in state.staging if other != version),
        archived=state.archived - {version},
    )


def _crown(state: Lifecycle, version: int) -> Lifecycle:
    old = state.production
    if old is not None:
        state = replace(state, archived=state.archived | {old}, predecessors=_followed(state, old))
    earlier = tuple(other for other in state.predecessors if other != version)
    return replace(state, production=version, predecessors=earlier, reigned=state.reigned | {version})


def _followed(state: Lifecycle, version: int) -> tuple[int, ...]:
    return (*(other for other in state.predecessors if other != version), version)


def _known(versions: frozenset[int] | frozenset[int | None]) -> str:
    return ", ".join(str(version) for version in sorted(v for v in versions if v is not None)) or "there is none yet"
