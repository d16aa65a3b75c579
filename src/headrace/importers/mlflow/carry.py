"""`headrace import mlflow`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from headrace.errors import InvalidInputError
from headrace.importers.destination import Destination
from headrace.importers.mlflow.database import MlflowDatabase
from headrace.importers.mlflow.server import MlflowServer
from headrace.importers.models import ModelImport
from headrace.importers.report import ImportReport
from headrace.importers.runs import RunImport
from headrace.progress import Progress, silent

__all__ = ["import_mlflow"]


def import_mlflow(
    address: str,
    to: Destination,
    *,
    artifacts: str | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> ImportReport:
    """Carry everything that an MLflow store holds and that has a place here. Again: only what is new.

    Args:
        address: `sqlite:///mlflow.db`, `postgresql://user@host/mlflow`, or a server's `http://host:5000`.
        artifacts: for a database, where files at `mlflow-artifacts:/…` lie: a folder or a bucket's URL.
        dry_run: only tell what would be carried.

    Raises:
        InvalidInputError: the address names nothing that can be read.
        StorageError: it can't be reached.
    """
    with closing(_open(address, artifacts)) as source:
        report = ImportReport(source.name, dry_run)
        runs = RunImport(source, to, report, progress)
        models = ModelImport(source, to, report, progress, runs)
        experiments = source.experiments()
        for experiment in runs.free_first(experiments):
            runs.experiment(experiment)
        for experiment in experiments:
            runs.carry(experiment, source.measured(experiment))
            models.logged(experiment)
        models.registered()
        runs.delete_what_is_deleted(experiments)
        for kind, number in source.omitted():
            report.leave(kind, "all", "Headrace keeps none", number)
    return report


def _open(address: str, artifacts: str | None) -> MlflowDatabase | MlflowServer:
    if address.startswith(("http://", "https://")):
        return MlflowServer(address)
    if "://" not in address:
        folder = Path(address)
        hint = f"sqlite:///{address}" if folder.is_file() else "sqlite:///mlflow.db"
        what = "a folder of files" if folder.is_dir() else "no address"
        way = (
            f"; start MLflow over it (mlflow server --backend-store-uri {address}) and import from that, http://127.0.0.1:5000"
            if folder.is_dir()
            else f"; write for example {hint}, postgresql://user@host/mlflow or http://host:5000"
        )
        msg = f"{address!r} is {what}{way}"
        raise InvalidInputError(msg)
    return MlflowDatabase(address, artifacts)
