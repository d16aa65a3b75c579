"""`headrace import`: what was tracked with other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.output import Answer, Table
from headrace.cli.verb import Session, Verb, verb
from headrace.progress import bar

if TYPE_CHECKING:
    from headrace.importers.report import ImportReport, Left

__all__ = ["VERBS"]

SHOWN, LONGEST_NAME = 20, 64
DryRun = Annotated[bool, typer.Option("--dry-run", help="Write nothing, only show what would be imported.")]


@verb(
    "mlflow",
    "headrace import mlflow sqlite:///mlflow.db",
    "headrace import mlflow postgresql://mlflow@db/mlflow --artifacts s3://company-mlflow",
    "headrace import mlflow http://127.0.0.1:5000 --dry-run",
)
def mlflow(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="MLflow's database, or its server's http://… address.")],
    artifacts: Annotated[
        str | None,
        typer.Option(
            "--artifacts", metavar="ROOT", help="For a database: the server's --artifacts-destination, where its files are."
        ),
    ] = None,
    dry_run: DryRun = False,
) -> Answer:
    """Import an MLflow store: experiments, runs, histories, files, models, registry, under their own ids; again: what is new."""
    from headrace.importers.mlflow.carry import import_mlflow

    with bar() as progress:
        report = import_mlflow(source, session.store.destination, artifacts=artifacts, dry_run=dry_run, progress=progress)
    return _answer(report)


@verb("neptune", "headrace import neptune exports", "headrace import neptune exports/data --files exports/files --dry-run")
def neptune(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What neptune-exporter wrote: its --data-path, or above.")],
    files: Annotated[
        Path | None, typer.Option("--files", metavar="DIR", help="Its --files-path. Default: `files` in the folder or beside it.")
    ] = None,
    dry_run: DryRun = False,
) -> Answer:
    """Import an export of Neptune: runs, series and files, each project as an experiment; again: what is new."""
    from headrace.importers.neptune import import_neptune

    with bar() as progress:
        report = import_neptune(folder, session.store.destination, files=files, dry_run=dry_run, progress=progress)
    return _answer(report)


@verb("tensorboard", "headrace import tensorboard logs", "headrace import tensorboard logs --experiment ranker --dry-run")
def tensorboard(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="LOGDIR", help="What TensorBoard is given as --logdir.")],
    experiment: Annotated[
        str, typer.Option("-e", "--experiment", help="Where to put the runs. Default: the folder's name.")
    ] = "",
    dry_run: DryRun = False,
) -> Answer:
    """Import TensorBoard's event files: scalars, hyperparameters, texts and images, each folder as a run; again: what is new."""
    from headrace.importers.tensorboard.carry import import_tensorboard

    with bar() as progress:
        report = import_tensorboard(folder, session.store.destination, experiment=experiment, dry_run=dry_run, progress=progress)
    return _answer(report)


@verb(
    "feast",
    "headrace import feast feature_repo",
    "headrace import feast feature_repo/data/registry.db --python .venv-feast/bin/python",
)
def feast(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="REPO|REGISTRY", help="A Feast repository's folder, or a registry.")],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The module to write. Default: feast_definitions.py here.")
    ] = None,
    python: Annotated[
        str | None, typer.Option("--python", help="A Python that has Feast. Default: the one that runs this.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a module that differs.")] = False,
    dry_run: DryRun = False,
) -> Answer:
    """Write Feast's entities, feature views and services as a module of definitions, ready for `headrace plan`."""
    from headrace.importers.feast.carry import import_feast

    target = output or session.folder / "feast_definitions.py"
    report, text = import_feast(source, target, python=python, overwrite=overwrite, dry_run=dry_run)
    answer = _answer(report)
    said = text if dry_run else f"the definitions are in {target}; see what they would change: headrace plan {target}"
    return Answer({**answer.data, "module": str(target)}, [*answer.parts, said])


VERBS: tuple[Verb[...], ...] = (mlflow, neptune, tensorboard, feast)


def _answer(report: ImportReport) -> Answer:
    done = "would be carried" if report.dry_run else "carried"
    table = Table(("", "NEW", "UPDATED", "SAME"), report.rows(), empty=f"{report.source} holds nothing to carry")
    left = _together(report)
    shown = Table(("NOT CARRIED AS IT WAS", "", "WHICH", "WHY"), left[:SHOWN])
    more = [f"and {len(left) - SHOWN} more; --json lists them all"] if len(left) > SHOWN else []
    return Answer(report.to_dict(), [f"{done} from {report.source}:", table, shown, *more])


def _together(report: ImportReport) -> list[tuple[str, int, str, str]]:
    """What wasn't carried, with one line for all of a kind that have the same reason."""
    found: dict[tuple[str, str], list[Left]] = {}
    for item in report.left:
        found.setdefault((item.kind, item.reason), []).append(item)
    return [
        (kind, sum(item.count for item in items), _short(items[0].name) + (", …" if len(items) > 1 else ""), reason)
        for (kind, reason), items in found.items()
    ]


def _short(name: str) -> str:
    """A name that leaves room for the reason; `--json` has the whole one."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
