"""The verbs of experiment tracking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.output import Answer, Fields, Part, Table
from headrace.cli.values import moment, seconds, short_time, size, sparkline
from headrace.cli.verb import Session, Verb, verb
from headrace.definitions.plain import plain
from headrace.errors import NotFoundError, StorageError
from headrace.tracking.run import NOTE_TAG, SYSTEM_METRICS, write_table

if TYPE_CHECKING:
    from headrace.tracking.run import ArtifactEntry, Metric, Run, View

__all__ = ["VERBS"]

SHOWN_METRICS = 4
SHOWN_FILES = 20
SHORT_ID = 12
"""Digits of a run's id in tables: its millisecond. Every command takes the beginning of an id."""
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or a beginning of it that no other run has.")]
Experiments = Annotated[list[str] | None, typer.Option("-e", "--experiment", help="Only of this experiment; may be repeated.")]
OrderBy = Annotated[list[str] | None, typer.Option("--order-by", help="For example 'metrics.auc desc'; may be repeated.")]


@verb(
    "list",
    "headrace runs list",
    """headrace runs list -q "metrics.auc > 0.8 and params.depth = '6'" --order-by "metrics.auc desc" """.strip(),
    "headrace runs list -e ranker --limit 5 --json",
)
def list_runs(
    session: Session,
    query: Annotated[
        str, typer.Option("-q", "--query", metavar="FILTER", help="A filter in MLflow's grammar; see the examples.")
    ] = "",
    experiment: Experiments = None,
    order_by: OrderBy = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 30,
    deleted: Annotated[bool, typer.Option("--deleted", help="List deleted runs instead.")] = False,
) -> Answer:
    """List runs, newest first, with their metrics."""
    view: View = "deleted" if deleted else "active"
    found = session.store.runs.search(query, experiment or None, order_by or (), limit, view)
    asked = query or experiment or deleted
    none = "no run is like that" if asked else 'no runs; log one in Python: with hr.start_run(experiment="…") as run: …'
    return Answer([run_data(run) for run in found], [_runs_table(list(found), none)])


@verb("show", "headrace runs show 0190f7c2", "headrace runs show 0190f7c2 --json")
def show(session: Session, run: RunId) -> Answer:
    """Show one run in full: who, when, how long; metrics, inputs and outputs; code, packages, machine and note."""
    runs = session.store.runs
    found = runs.get(run)
    files, environment = runs.artifacts(found.id), runs.environment(found.id)
    data = {**run_data(found), "note": found.note, "artifacts": files, "environment": environment}
    return Answer(data, _run_parts(found, files, environment))


@verb("note", 'headrace runs note 0190f7c2 "the first with *all* users"')
def note(session: Session, run: RunId, text: Annotated[str, typer.Argument(metavar="TEXT", help="Markdown.")]) -> Answer:
    """Write the note of a run, replacing the old one."""
    found = session.store.runs.get(run)
    session.store.runs.describe(found.id, text)
    return Answer({"run_id": found.id, "note": text}, [f"noted on {found.name} ({found.id})"])


@verb("compare", "headrace runs compare 0190f7c2 0190f7d8", "headrace runs compare 0190f7c2 0190f7d8 --all")
def compare(
    session: Session,
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Two runs or more.")],
    everything: Annotated[bool, typer.Option("--all", help="Also show what is the same in all of them.")] = False,
    best_of: Annotated[
        str,
        typer.Option(
            "--best-of", metavar="METRIC", help="Also show all metrics where this one was best; auc:max says which way is best."
        ),
    ] = "",
) -> Answer:
    """Compare runs side by side: metrics, and what differs in parameters, data, code and packages."""
    found = session.store.runs.compare(*runs, best_of=best_of)
    rows = [row for row in found.rows if everything or row.differs or row.section in ("run", "metrics")]
    table = Table(("", "", *[run.name for run in found.runs]), [(row.section, row.key, *row.values) for row in rows])
    hidden = f"{len(found.rows) - len(rows)} further facts are the same in all; --all shows them"
    data = {
        "runs": [run.id for run in found.runs],
        "rows": [{"section": row.section, "key": row.key, "values": row.values, "differs": row.differs} for row in found.rows],
    }
    return Answer(data, [table, *([hidden] if len(rows) < len(found.rows) else [])])


@verb(
    "export",
    "headrace runs export runs.parquet -e ranker",
    """headrace runs export best.csv -q "metrics.auc > 0.8" --order-by "metrics.auc desc" """.strip(),
    "headrace runs export curves.parquet -e ranker --points loss --points auc",
)
def export(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, .csv or .parquet.", dir_okay=False)],
    query: Annotated[str, typer.Option("-q", "--query", metavar="FILTER", help="Only runs that match.")] = "",
    experiment: Experiments = None,
    order_by: OrderBy = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many runs.")] = 50_000,
    points: Annotated[
        list[str] | None,
        typer.Option("--points", metavar="METRIC", help="Write every point of this metric instead; may be repeated."),
    ] = None,
) -> Answer:
    """Write runs to a file: a row each with params, metrics and tags; with --points, a row for each point of some metrics."""
    found = session.store.runs.search(query, experiment or None, order_by or (), limit)
    known = {key for run in found for key in run.latest}
    for key in points or () if found else ():
        if key not in known:
            raise NotFoundError.of("metric", key, known)
    table = session.store.runs.points([run.id for run in found], points) if points else found.to_arrow()
    where = write_table(table, file)
    data = {"path": str(where), "runs": len(found), "rows": table.num_rows}
    return Answer(data, [f"{table.num_rows:,} rows of {len(found):,} runs are in {where}"])


@verb("metrics", "headrace runs metrics 0190f7c2 auc", "headrace runs metrics 0190f7c2 loss --json")
def metrics(
    session: Session,
    run: RunId,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A metric of the run.")],
    points: Annotated[bool, typer.Option("--points", help="Every point as a table, not only the picture.")] = False,
) -> Answer:
    """Show the course of one metric as a picture; every point with --points or --json."""
    found = session.store.runs.get(run)
    history = sorted(session.store.runs.metric_history(found.id, key), key=lambda point: (point.step, point.time))
    data = [
        {"step": point.step, "time": moment(point.time), "value": point.value, "dataset": point.dataset_name or None}
        for point in history
    ]
    return Answer({"run_id": found.id, "key": key, "points": data}, _metric_parts(key, history, points=points))


@verb("artifacts", "headrace runs artifacts 0190f7c2", "headrace runs artifacts 0190f7c2 --download out")
def artifacts(
    session: Session,
    run: RunId,
    download: Annotated[
        Path | None, typer.Option("--download", metavar="DIR", help="Download them into this folder, verified.", file_okay=False)
    ] = None,
    path: Annotated[str, typer.Option("--path", help="Only this file, or the files of this folder.")] = "",
) -> Answer:
    """List the files of a run; with --download, fetch them."""
    found = session.store.runs.artifacts(run, path)
    table = Table(
        ("PATH", "SIZE", "SHA-256"), [(file.path, size(file.size), file.digest[:12]) for file in found], empty="no files"
    )
    if download is None:
        return Answer(found, [table])
    where = _download(session, run, path, download)
    return Answer({"path": str(where), "files": found}, [table, f"{len(found)} files are in {where}"])


@verb("delete", "headrace runs delete 0190f7c2")
def delete(session: Session, runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs, by id.")]) -> Answer:
    """Delete runs. Nothing is lost: `restore` brings them back."""
    return _each(session, runs, "delete", "deleted")


@verb("restore", "headrace runs restore 0190f7c2")
def restore(session: Session, runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs, by id.")]) -> Answer:
    """Bring deleted runs back."""
    return _each(session, runs, "restore", "restored")


@verb("purge", "headrace runs purge --dry-run", "headrace runs purge --older-than 90d")
def purge(
    session: Session,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="What was deleted within this time stays.")
    ] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing, only show what would be removed.")] = False,
) -> Answer:
    """Remove deleted runs and experiments for good; what a model version was made from stays.

    Names of purged experiments are free again. Their files go with the next 'headrace artifacts gc'.
    """
    done = session.store.runs.purge(older_than=older_than, dry_run=dry_run)
    columns = ("would go" if dry_run else "removed", "runs", "experiments", "deleted runs that stay")
    return Answer(done, [Table(columns, [("", done.runs, done.experiments, done.kept)])])


VERBS: tuple[Verb[...], ...] = (list_runs, show, note, compare, export, metrics, artifacts, delete, restore, purge)


def run_data(run: Run) -> dict[str, Any]:
    """A run as plain JSON values, its times as RFC 3339 text."""
    return {
        "run_id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "state": run.state(),
        "seen": moment(run.seen),
        "start": moment(run.start),
        "end": moment(run.end),
        "duration_s": run.duration,
        "user": run.user,
        "lifecycle_stage": run.lifecycle_stage,
        "artifact_uri": run.artifact_uri,
        "params": plain(run.params),
        "metrics": plain(run.metrics),
        "tags": plain(run.tags),
        "inputs": plain(run.inputs),
        "outputs": plain(run.outputs),
    }


def _download(session: Session, run: str, path: str, folder: Path) -> Path:
    try:
        return session.store.runs.download(run, path, folder)
    except OSError as error:
        msg = f"{error.filename or folder} can't be written: {error.strerror}"
        raise StorageError(msg) from error


def _metric_parts(key: str, history: Sequence[Metric], *, points: bool) -> list[Part]:
    values = [point.value for point in history]
    facts = Fields(
        [("points", len(values)), ("first", values[0]), ("last", values[-1]), ("lowest", min(values)), ("highest", max(values))]
    )
    rows = [(point.step, short_time(point.time), point.value, point.dataset_name) for point in history]
    parts: list[Part] = [Table(("STEP", "TIME (UTC)", key.upper(), "DATA"), rows)] if points else []
    return [f"{key}  {sparkline(values)}", facts, *parts]


def _each(session: Session, runs: list[str], method: str, done: str) -> Answer:
    found = [session.store.runs.get(run).id for run in runs]
    for run in found:
        getattr(session.store.runs, method)(run)
    return Answer({done: found}, [f"{done} {', '.join(found)}"])


def _runs_table(runs: list[Run], none: str) -> Table:
    names = list(dict.fromkeys(key for run in runs for key in run.metrics if not key.startswith(SYSTEM_METRICS)))[:SHOWN_METRICS]
    columns = ("RUN", "NAME", "EXPERIMENT", "STATUS", "STARTED (UTC)", "TOOK", "USER", *names)
    rows = [
        (
            run.id[:SHORT_ID],
            run.name,
            run.experiment,
            run.state(),
            short_time(run.start),
            seconds(run.duration),
            run.user,
            *[run.metrics.get(n) for n in names],
        )
        for run in runs
    ]
    return Table(columns, rows, empty=none)


def _run_parts(run: Run, files: Sequence[ArtifactEntry], environment: Mapping[str, Any]) -> list[Part]:
    facts = Fields(
        [
            ("run", run.id),
            ("name", run.name),
            ("experiment", run.experiment),
            ("status", _standing(run)),
            ("started", f"{short_time(run.start)} UTC by {run.user or '-'}"),
            ("took", seconds(run.duration)),
            ("data", [f"{data.name} {data.digest[:12]}" for data in run.inputs]),
            ("models", [output.model_id for output in run.outputs]),
            *_origin(run, environment),
        ]
    )
    shown = files[:SHOWN_FILES]
    more = [f"and {len(files) - SHOWN_FILES} more files: headrace runs artifacts {run.id}"] if len(files) > SHOWN_FILES else []
    tables = [
        Table(("METRIC", "VALUE", "STEP"), [(key, point.value, point.step) for key, point in sorted(run.latest.items())]),
        Table(("PARAM", "VALUE"), sorted(run.params.items())),
        Table(("TAG", "VALUE"), [(key, _short(value)) for key, value in sorted(run.tags.items()) if key != NOTE_TAG]),
        Table(("FILE", "SIZE"), [(file.path, size(file.size)) for file in shown]),
    ]
    return [facts, *([run.note] if run.note else []), *tables, *more]


def _standing(run: Run) -> str:
    """Its state in words."""
    state = run.state()
    told = (
        f"LOST: nothing was heard of it since {short_time(run.seen)} UTC; it heals when data comes" if state == "LOST" else state
    )
    return told if run.lifecycle_stage == "active" else f"{told}, deleted"


def _origin(run: Run, environment: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Code, command, packages and machine, as far as the run kept them."""
    commit = run.tags.get("mlflow.source.git.commit", "")
    branch = run.tags.get("mlflow.source.git.branch", "")
    changed = " with changes that weren't committed" if run.tags.get("headrace.git.dirty") == "true" else ""
    code = [("code", f"{commit[:12]} on {branch or 'no branch'}{changed}")] if commit else []
    if not environment:
        return code
    process, host = environment.get("process", {}), environment.get("host", {})
    machine = (
        f"{host.get('host', '-')}, {host.get('cpu', '-')}, {host.get('threads', '-')} processors, {size(host.get('memory', 0))}"
    )
    return [
        *code,
        ("command", " ".join(process.get("arguments", ()))),
        ("in", process.get("folder")),
        ("software", f"Python {environment.get('python', '-')} with {len(environment['packages'])} packages"),
        ("system", environment.get("platform")),
        ("machine", machine),
    ]


def _short(value: str) -> str:
    return value if len(value) <= 100 else f"{value[:99]}…"
