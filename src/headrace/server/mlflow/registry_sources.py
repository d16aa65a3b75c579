"""Where a model version comes from: each kind of address is checked against the run or the model that it claims, and resolved.

A source names files of this server, a model that is kept here, or a place that isn't ours. It never names a file of the machine
that the server runs on, nor a host that the server would have to call.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn
from urllib.parse import SplitResult, urlsplit

from headrace.errors import InvalidInputError, NotFoundError
from headrace.models.version import ModelVersion
from headrace.server.mlflow.artifacts_paths import clean_path, find
from headrace.store import Store
from headrace.tracking.files import Home
from headrace.tracking.run import ArtifactEntry, LoggedModel

__all__ = ["FilesOf", "resolve_source"]

ELSEWHERE = frozenset({"s3", "gs", "az", "wasbs", "abfs", "dbfs", "hf"})
"""Stores that a client reaches by itself, with credentials of its own."""
_PROXY = re.compile(r"/(?:ajax-)?api/2\.0/mlflow-artifacts/artifacts/(.+)")
_NUMBERED = re.compile(r"models:/+[^/@]+/\d+")
_MOST = 2048


class FilesOf(NamedTuple):
    """Files that aren't those of a logged model: their address, the run that made them (or none), and they themselves."""

    place: str
    run_id: str
    files: tuple[ArtifactEntry, ...]


def resolve_source(store: Store, source: str, run_id: str, model_id: str) -> LoggedModel | ModelVersion | FilesOf:
    """What a source means: a logged model, a version to copy, or files.

    Raises:
        InvalidInputError: it isn't an address, leads elsewhere than to the run or model that is named beside it, or to a host.
        NotFoundError: it names nothing.
    """
    parts = _split(source)
    if parts.scheme == "models":
        return _model(store, source, run_id, model_id)
    if parts.scheme == "runs":
        return _run_files(store, source, parts.path, run_id, model_id)
    if parts.scheme == "mlflow-artifacts":
        if parts.netloc:
            _refuse(source, "it names a host")
        return _files(store, source, parts.path.lstrip("/"), run_id, model_id)
    if parts.scheme in ("http", "https"):
        proxied = _PROXY.search(parts.path)
        if proxied is None:
            _refuse(source, "a version's files are kept here, or in a bucket")
        return _files(store, source, proxied[1], run_id, model_id)
    if parts.scheme in ELSEWHERE and parts.netloc and not (parts.query or parts.fragment):
        clean_path(parts.path.strip("/") or "x")
        store.runs.stores.runs.get([run_id] if run_id else [])
        return FilesOf(source, run_id, ())
    return _refuse(source, "it isn't the place of a model; use models:/m-…, runs:/RUN_ID/path, models:/name/3 or s3://…")


def _split(source: str) -> SplitResult:
    if len(source) > _MOST or not source.isprintable():
        _refuse(source, "it is too long, or holds control characters")
    try:
        return urlsplit(source)
    except ValueError as error:
        _refuse(source, str(error))


def _model(store: Store, source: str, run_id: str, model_id: str) -> LoggedModel | ModelVersion:
    clean_path(source.removeprefix("models:").lstrip("/") or "/")
    try:
        found = store.models.resolve(source)
    except NotFoundError as error:
        if model_id or _NUMBERED.fullmatch(source):
            raise
        _refuse(source, str(error))
    named = found.id if isinstance(found, LoggedModel) else found.model_id
    if isinstance(found, LoggedModel) and model_id and model_id != found.id:
        _refuse(source, f"it isn't the model {model_id!r} that model_id names")
    if not isinstance(found, LoggedModel) and model_id and model_id != named:
        _refuse(source, f"it was made from {named!r}, not from {model_id!r}")
    if run_id and found.run_id and run_id != found.run_id:
        _refuse(source, f"it comes from the run {found.run_id}, not from {run_id}")
    return found


def _run_files(store: Store, source: str, path: str, run_id: str, model_id: str) -> LoggedModel | FilesOf:
    owner, _, folder = path.strip("/").partition("/")
    if run_id and owner != run_id:
        _refuse(source, f"it isn't below the run {run_id} that run_id names")
    home = store.artifacts.index.home("run", clean_path(owner or "/"))
    if home is None and not run_id:
        _refuse(source, "there is no such run")
    if home is None:
        msg = f"Run with id={owner} not found"
        raise NotFoundError(msg)
    return _of_home(store, source, home, clean_path(folder) if folder else "", model_id)


def _files(store: Store, source: str, path: str, run_id: str, model_id: str) -> LoggedModel | FilesOf:
    home, folder = find(store.artifacts.index, path.rstrip("/"))
    claimed = run_id if home.kind == "run" else model_id
    if claimed != home.id:
        _refuse(source, f"it lies below the {home.kind} {home.id}, so {home.kind}_id must name that")
    return _of_home(store, source, home, folder, model_id)


def _of_home(store: Store, source: str, home: Home, folder: str, model_id: str) -> LoggedModel | FilesOf:
    if home.kind == "model":
        if folder:
            _refuse(source, "a version is the whole model, not a folder of it")
        return store.runs.stores.models.get(home.id)
    if model_id:
        model = store.runs.stores.models.get(model_id)
        if model.run_id != home.id:
            _refuse(source, f"the model {model_id!r} isn't one of the run {home.id}")
        return model
    entries = store.artifacts.index.below(home, folder)
    if not entries:
        return _logged_by(store, home, folder)
    start = len(folder) + 1 if folder else 0
    files = [ArtifactEntry(e.path[start:] or e.path.rpartition("/")[2], e.digest, e.size) for e in entries]
    return FilesOf(f"{home.uri}/{folder}".rstrip("/"), home.id, tuple(files))


def _logged_by(store: Store, home: Home, name: str) -> LoggedModel | FilesOf:
    """The model that the run logged under this name, as MLflow 3 does; or no files, for what a client may bring later."""
    found = [model for model in store.runs.stores.models.of_run(home.id) if model.name == name]
    return found[-1] if found else FilesOf(f"{home.uri}/{name}".rstrip("/"), home.id, ())


def _refuse(source: str, why: str) -> NoReturn:
    msg = f"Invalid model version source: '{source[:200]}': {why}"
    raise InvalidInputError(msg)
