"""The tree of commands, in the order in which help shows them."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli import (
    accounts,
    approvals,
    artifacts,
    data,
    definitions,
    doctor,
    features,
    gate,
    importing,
    ingest,
    lake,
    lineage,
    models,
    plots,
    project,
    quality,
    reproduce,
    runs,
    score,
    serve,
    server,
    sync,
    verify,
    webhooks,
)
from headrace.cli.verb import HELP, ProjectOption, Verb, noun

__all__ = ["app"]

_HELP = """Features, experiments and models of one project, over one catalog with one lineage.

Every command takes --project DIR (or -C DIR, or a server's http://…) and --json, and explains itself with --help."""

_PROJECT: tuple[Verb[...], ...] = (project.init, project.demo, server.server, serve.serve, doctor.doctor, project.version)
_FEATURES: tuple[Verb[...], ...] = (definitions.plan, definitions.apply, data.write, data.push, data.materialize, data.backfill)
_NOUNS: tuple[tuple[str, str, tuple[Verb[...], ...]], ...] = (
    ("features", "Definitions, the values now and then, training sets.", (*features.VERBS, *quality.VERBS, plots.plot_feature)),
    ("lake", "The lake's tables: list them, merge small files, remove old ones.", lake.VERBS),
    ("runs", "Training runs: search, show, compare, draw, download files.", (*runs.VERBS, plots.plot_runs)),
    ("artifacts", "Files of runs and models: remove those that nothing uses.", artifacts.VERBS),
    ("models", "Registered models: versions, gates, promotions, rollbacks.", (*models.VERBS, *approvals.VERBS)),
    ("users", "Who may use the project's server, and what they may do there.", accounts.USERS),
    ("tokens", "API tokens, by which programs sign in to the project's server.", accounts.TOKENS),
    ("webhooks", "HTTP calls that are sent when the registry changes.", webhooks.VERBS),
    ("import", "Import what was tracked with other tools.", importing.VERBS),
)


def _build() -> typer.Typer:
    root = typer.Typer(name="headrace", help=_HELP, no_args_is_help=True, rich_markup_mode="rich", context_settings=HELP)
    root.callback()(_root)
    for item in _PROJECT:
        item.add_to(root, panel="Project")
    for item in _FEATURES:
        item.add_to(root, panel="Definitions and data")
    streams = noun("Take in streams from Kafka; look at what couldn't be taken in.", ingest.VERBS, ingest.DefaultCommand)
    root.add_typer(streams, name="ingest", rich_help_panel="Definitions and data")
    for name, text, verbs in _NOUNS:
        root.add_typer(noun(text, verbs), name=name, rich_help_panel="Features, runs, models")
    score.score.add_to(root, panel="Features, runs, models")
    verify.verify.add_to(root, panel="Features, runs, models")
    reproduce.reproduce.add_to(root, panel="Features, runs, models")
    sync.sync.add_to(root, panel="Features, runs, models")
    gate.gate.add_to(root, panel="Features, runs, models")
    gate.wait.add_to(root, panel="Features, runs, models")
    lineage.lineage.add_to(root, panel="Features, runs, models")
    return root


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(project.version_text())
        raise typer.Exit


def _root(
    project: ProjectOption = None,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")] = False,
) -> None: ...


app = _build()
