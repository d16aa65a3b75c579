"""The verbs of the model registry."""

from __future__ import annotations

import os
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.failures import REFUSED
from headrace.cli.output import Answer, Fields, Part, Table
from headrace.cli.values import short_time, size
from headrace.cli.verb import Session, Verb, verb
from headrace.errors import InvalidInputError
from headrace.settings import FILE_NAME
from headrace.tracking.run import SYSTEM_METRICS

if TYPE_CHECKING:
    from headrace.models.version import ModelVersion, RegisteredModel
    from headrace.tracking.run import LoggedModel

__all__ = ["VERBS"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="A registered model.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="A number, @ALIAS, a stage, or latest.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the history.")]


@verb("list", "headrace models list")
def list_models(session: Session) -> Answer:
    """List all registered models, with their champion and challenger."""
    found = session.store.models.list()
    columns = ("NAME", "VERSIONS", "CHAMPION", "CHALLENGER", "GATES", "UPDATED")
    rows = [
        (model.name, len(model.lifecycle.versions), model.champion, model.challenger, len(model.gates), short_time(model.updated))
        for model in found
    ]
    empty = "no models yet; register one with: headrace models register RUN NAME"
    return Answer([model.to_dict() for model in found], [Table(columns, rows, empty)])


@verb(
    "show",
    "headrace models show video-ranker",
    "headrace models show video-ranker@champion",
    "headrace models show video-ranker/3",
)
def show(
    session: Session,
    address: Annotated[str, typer.Argument(metavar="NAME[/VERSION|@ALIAS]", help="A model, or one of its versions.")],
) -> Answer:
    """Show a model with its versions, or one version in full."""
    name, selector = _parts(address)
    if selector:
        found = session.store.models.get(name, selector)
        return Answer(found.to_dict(), _version_parts(found))
    model, versions = session.store.models.model(name), session.store.models.versions(name)
    return Answer({**model.to_dict(), "versions": [version.to_dict() for version in versions]}, _model_parts(model, versions))


@verb("register", "headrace models register 0190f7c2 video-ranker", "headrace models register models:/m-0190f7c2… video-ranker")
def register(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run that logged one model, or a logged model's id.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The registered model; created with its first version.")],
    description: Annotated[str, typer.Option("--description", help="A description of this version.")] = "",
    docker: Annotated[str, typer.Option("--docker", metavar="IMAGE", help="The container image to run it in.")] = "",
) -> Answer:
    """Make a logged model the next version of a registered model."""
    version = session.store.models.register(_logged(session, source), name, description, docker=docker)
    return Answer(version.to_dict(), [f"registered version {version.version} of {name}: {version.uri}"])


@verb("compare", "headrace models compare video-ranker 3 @champion")
def compare(
    session: Session,
    name: Name,
    a: Annotated[str, typer.Argument(metavar="A", help="A version, as for promote.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
) -> Answer:
    """Compare two versions side by side: figures on the same data, metrics, parameters, data, code and packages."""
    found = session.store.models.compare(name, a, b)
    return Answer(found.to_dict(), [str(found)])


@verb("gates", "headrace models gates video-ranker", "headrace models gates video-ranker --version 4")
def gates(
    session: Session,
    name: Name,
    version: Annotated[str | None, typer.Option("--version", help="Judge this version now; exit with 1 if it fails.")] = None,
) -> Answer:
    """Show what a version must meet to reach Production; with --version, whether it does."""
    if version is not None:
        report = session.store.models.check_gates(name, version)
        return Answer(report.to_dict(), [str(report)], code=0 if report.passed else REFUSED)
    found = [gate.to_dict() for gate in session.store.models.gates(name)]
    columns = tuple(found[0]) if found else ()
    empty = f"{name} has no gates; set some in Python: store.models.set_gates({name!r}, [hr.Gate('auc')])"
    return Answer(found, [Table([column.upper() for column in columns], [tuple(gate.values()) for gate in found], empty)])


@verb(
    "promote",
    'headrace models promote video-ranker 4 --reason "better on new users"',
    "headrace models promote video-ranker @challenger",
    "headrace models promote video-ranker 4 --to Staging",
)
def promote(
    session: Session,
    name: Name,
    version: Version,
    to: Annotated[str, typer.Option("--to", metavar="STAGE", help="Production, Staging or Archived.")] = "Production",
    reason: Reason = "",
    force: Annotated[
        bool, typer.Option("--force", help="Promote past the gates; needs a reason, and is kept in the history.")
    ] = False,
) -> Answer:
    """Make a version the champion if its gates let it; exit with 1 if they refuse. The champion before it is Archived."""
    report = session.store.models.promote(name, version, to, reason, force=force)
    now = session.store.models.get(name, str(report.version))
    return Answer({"version": now.to_dict(), "report": report.to_dict()}, [str(report), _standing(now)])


@verb("rollback", 'headrace models rollback video-ranker --reason "clicks fell"', "headrace models rollback video-ranker --to 2")
def rollback(
    session: Session,
    name: Name,
    to: Annotated[str | None, typer.Option("--to", metavar="VERSION", help="Default: the champion before this one.")] = None,
    reason: Reason = "",
) -> Answer:
    """Put the previous Production version back, at once and without asking the gates."""
    now = session.store.models.rollback(name, to, reason)
    return Answer(now.to_dict(), [_standing(now)])


@verb("transition", "headrace models transition video-ranker 4 Staging")
def transition(
    session: Session,
    name: Name,
    version: Version,
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="None, Staging, Production or Archived.")],
    reason: Reason = "",
) -> Answer:
    """Move a version to a stage. A move to Production is a promotion, with its gates."""
    now = session.store.models.transition(name, version, stage, reason)
    return Answer(now.to_dict(), [_standing(now)])


@verb(
    "copy",
    "headrace models copy models:/video-ranker@champion --to http://production:5000",
    "headrace models copy models:/video-ranker/4 --to ../other-project --as video-ranker-eu",
)
def copy(
    session: Session,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="models:/NAME/VERSION or models:/NAME@ALIAS, here.")],
    to: Annotated[str, typer.Option("--to", metavar="DIR|URL", help="Another project's folder, or the address of its server.")],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="The model's name there. Default: its name here.")] = "",
) -> Answer:
    """Copy a version, with its run, files, evaluations and lineage, to another registry; repeated, what is missing."""
    with closing(Session(to)) as there:
        _require_apart(session, there)
        made = session.store.copy_model(address, there.store, name, origin=session.server or str(session.folder))
    told = [f"{address} is {made.version.uri} in {to}", *(f"not copied: {each}" for each in made.left)]
    return Answer(made.to_dict(), ["\n".join(told)])


@verb("card", "headrace models card video-ranker 4", "headrace models card video-ranker @champion --write card.md")
def card(
    session: Session,
    name: Name,
    version: Version,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="First replace the card's text with this Markdown file.")
    ] = None,
) -> Answer:
    """Show the model card of a version, Markdown: its text, and facts on data, params, metrics, code and lineage."""
    if write is not None:
        session.store.models.write_card(name, _text_of(write), version)
    text = session.store.models.card(name, version)
    return Answer({"card": text}, [text])


@verb("history", "headrace models history video-ranker", "headrace models history video-ranker --verify")
def history(
    session: Session,
    name: Name,
    verify: Annotated[bool, typer.Option("--verify", help="Check that no entry was changed or removed.")] = False,
) -> Answer:
    """Show everything that was done to a model, oldest first, refusals included."""
    if verify:
        session.store.models.verify_history(name)
    entries = session.store.models.history(name)
    rows = [(entry.seq, short_time(entry.time), entry.user, entry.action, entry.version, entry.reason) for entry in entries]
    table = Table(("#", "TIME (UTC)", "USER", "ACTION", "VERSION", "REASON"), rows)
    return Answer([entry.to_dict() for entry in entries], [table, *(["the trail is whole"] if verify else [])])


VERBS: tuple[Verb[...], ...] = (list_models, show, register, compare, gates, promote, rollback, transition, copy, card, history)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} can't be read as text: {error}"
        raise InvalidInputError(msg) from error


def _parts(address: str) -> tuple[str, str]:
    """`ranker`, `ranker/3`, `ranker@champion` or `models:/…` of these → name and selector; an empty selector for none."""
    match = re.fullmatch(r"(?:models:/)?([^/@]+)(?:/([^/@]+)|(@[^/@]+))?", address)
    if match is None:
        msg = f"{address!r} names no model; write NAME, NAME/VERSION or NAME@ALIAS"
        raise InvalidInputError(msg)
    return match[1], match[2] or match[3] or ""


def _logged(session: Session, source: str) -> LoggedModel:
    from headrace.tracking.run import LoggedModel

    uri = source if source.startswith("models:/") else f"models:/{source}"
    if uri.startswith("models:/m-"):
        found = session.store.models.resolve(uri)
        if isinstance(found, LoggedModel):
            return found
    models = session.store.runs.models(source.removeprefix("run:"))
    if len(models) != 1:
        ids = ", ".join(f"{model.id} ({model.name})" for model in models) or "none"
        msg = f"run {source} logged {len(models)} models: {ids}; name one by its id"
        raise InvalidInputError(msg)
    return models[0]


def _require_apart(here: Session, there: Session) -> None:
    """Refuse a copy to another folder whose catalog would be the one here, since the environment names one for both."""
    named = "HEADRACE_CATALOG" in os.environ and here.server is None and there.server is None
    if named and there.require().resolve() != here.folder.resolve():
        msg = (
            f"HEADRACE_CATALOG stands over {there.folder / FILE_NAME} too, so both would be the same catalog; write what it says "
            "into the headrace.toml here and unset it, or name the other project's server: --to http://…"
        )
        raise InvalidInputError(msg)


def _standing(version: ModelVersion) -> str:
    aliases = "".join(f" @{alias}" for alias in version.aliases)
    return f"{version.name} version {version.version} is in {version.stage}{aliases}"


def _model_parts(model: RegisteredModel, versions: list[ModelVersion]) -> list[Part]:
    aliases = ", ".join(f"@{alias} → {number}" for alias, number in model.aliases.items())
    facts = Fields(
        [
            ("name", model.name),
            ("description", model.description),
            ("tags", model.tags),
            ("aliases", aliases),
            ("gates", len(model.gates)),
        ]
    )
    columns = ("VERSION", "STAGE", "ALIASES", "RUN", "FLAVOR", "VIEW", "CREATED", "METRICS")
    rows = [
        (v.version, v.stage, v.aliases, v.run_id[:12], v.flavor, v.view, short_time(v.created), _figures(v, model))
        for v in versions
    ]
    return [facts, Table(columns, rows)]


def _figures(version: ModelVersion, model: RegisteredModel) -> dict[str, float]:
    """Some of its metrics: those that gates judge by first, the machine's own never."""
    judged = {gate.metric for gate in model.gates}
    keys = sorted(
        (key for key in version.metrics if not key.startswith(SYSTEM_METRICS)), key=lambda key: (key not in judged, key)
    )
    return {key: version.metrics[key] for key in keys[:3]}


def _version_parts(version: ModelVersion) -> list[Part]:
    facts = Fields(
        [
            ("version", version.uri),
            ("stage", version.stage),
            ("aliases", version.aliases),
            ("description", version.description),
            ("tags", version.tags),
            ("run", version.run_id),
            ("logged model", version.model_id),
            ("flavor", f"{version.flavor} {version.serializer}".strip()),
            ("view", version.view),
            ("signature", version.signature),
            ("data", [f"{data.name} {data.digest[:12]}" for data in version.datasets]),
            ("registered", f"{short_time(version.created)} by {version.user}"),
            ("files", f"{len(version.files)}, {size(version.size)}"),
        ]
    )
    metrics = Table(("METRIC", "VALUE"), list(version.metrics.items()), empty="its run logged no metrics")
    return [facts, metrics]
