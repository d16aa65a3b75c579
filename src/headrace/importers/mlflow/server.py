"""An MLflow server, read over its REST protocol. Nothing is written to it, and no MLflow package is needed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx

from headrace.errors import InvalidInputError, NotFoundError, StorageError
from headrace.importers.folders import open_folder
from headrace.importers.mlflow.addresses import SCHEME, in_a_run
from headrace.importers.mlflow.mlmodel import read_model
from headrace.importers.mlflow.values import finite_or_infinite, metric, micros, stage_of
from headrace.importers.source import Folder, ModelFacts, SourceFile, SourceModel, SourceRun, SourceVersion
from headrace.tracking.run import NAME_TAG, DatasetInput, Experiment, LoggedModel, Metric, ModelOutput, Run

__all__ = ["MlflowServer"]

API = "/api/2.0/mlflow"
CONTEXT = "mlflow.data.context"
_PAGE = 1000
_POINTS = 25_000
_FEW = 50
_TRIES = 5
_BUSY = (408, 429, 502, 503, 504)
_CHUNK = 1 << 20


class MlflowServer:
    """Implements ModelSource over HTTP.

    Args:
        url: `http://host:5000`; a login in it is used, else MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD.

    Raises:
        InvalidInputError: nothing that speaks MLflow's protocol answers there.
        StorageError: nothing answers at all.
    """

    kind = "mlflow"

    def __init__(self, url: str) -> None:
        parsed = urlsplit(url)
        host = parsed.netloc.rpartition("@")[2]
        self.name = f"{parsed.scheme}://{host}{parsed.path.rstrip('/')}"
        self._http = _Http(self.name, _login(parsed.username, parsed.password))
        self._runs: dict[str, SourceRun] = {}
        self._check()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def experiments(self) -> list[Experiment]:
        """All experiments, oldest first."""
        body = {"view_type": "ALL", "max_results": _PAGE}
        found = [
            Experiment(
                id=str(item["experiment_id"]),
                name=item["name"],
                created=micros(item.get("creation_time")) or 0,
                updated=micros(item.get("last_update_time")) or 0,
                lifecycle_stage=stage_of(item.get("lifecycle_stage")),
                artifact_location=item.get("artifact_location", ""),
                tags=_pairs(item.get("tags")),
            )
            for item in self._http.pages("POST", f"{API}/experiments/search", body, "experiments")
        ]
        return sorted(found, key=lambda experiment: (len(experiment.id), experiment.id))

    def run_ids(self, experiment: Experiment) -> list[str]:
        """The experiment's runs by their start, a parent so before its children; they are kept for `runs`."""
        body = {
            "experiment_ids": [experiment.id],
            "run_view_type": "ALL",
            "max_results": _PAGE,
            "order_by": ["attributes.start_time ASC"],
        }
        pages = self._http.pages("POST", f"{API}/runs/search", body, "runs")
        found = [SourceRun(_run(item, experiment)) for item in pages]
        self._runs = {item.run.id: item for item in found}
        return list(self._runs)

    def runs(self, experiment: Experiment, run_ids: Sequence[str]) -> list[SourceRun]:  # noqa: ARG002 - the contract's argument
        """These runs, as the search told them."""
        return [self._runs[run_id] for run_id in run_ids]

    def history(self, run: Run, key: str) -> Iterator[Sequence[Metric]]:
        """Every point of a metric, 25,000 at once."""
        token: dict[str, Any] = {}
        while True:
            query = {"run_id": run.id, "metric_key": key, "max_results": _POINTS, **token}
            found = self._http.call("GET", f"{API}/metrics/get-history", query)
            yield [_point(item) for item in found.get("metrics", ())]
            if not found.get("next_page_token"):
                return
            token = {"page_token": found["next_page_token"]}

    def folder(self, run: Run) -> Folder:
        """The run's files, through the server wherever it keeps them."""
        return _Listed(
            self._http,
            lambda path: self._http.call("GET", f"{API}/artifacts/list", {"run_id": run.id, **({"path": path} if path else {})}),
            lambda path: ("/get-artifact", {"run_uuid": run.id, "path": path}),
        )

    def open_folder(self, uri: str) -> Folder:
        """The files below an address: behind the server, in a bucket or on this machine."""
        if named := in_a_run(uri):
            run = self._http.call("GET", f"{API}/runs/get", {"run_id": named[0]})["run"]
            return self.open_folder("/".join([run["info"]["artifact_uri"], named[1]]))
        if urlsplit(uri).scheme == SCHEME:
            return self._proxied(unquote(urlsplit(uri).path).strip("/"))
        folder = open_folder(uri)
        if urlsplit(uri).scheme in ("", "file") and not folder.files():
            msg = f"the files are at {uri} on the server's machine, which can't be read from here"
            raise StorageError(msg)
        return folder

    def logged_models(self, experiment: Experiment) -> list[LoggedModel]:
        """The experiment's logged models that aren't deleted, oldest first."""
        return [_logged(item) for item in self._found_models(experiment)]

    def measured(self, experiment: Experiment) -> dict[str, list[Metric]]:
        """By run, the points that were measured on a logged model."""
        found: dict[str, list[Metric]] = {}
        for item in self._found_models(experiment):
            for said in item.get("data", {}).get("metrics", ()):
                origin = (item["info"]["model_id"], said.get("dataset_name", ""), said.get("dataset_digest", ""))
                point = _point(said)
                placed = replace(point, model_id=origin[0], dataset_name=origin[1], dataset_digest=origin[2])
                found.setdefault(said.get("run_id", ""), []).append(placed)
        return found

    def describe(self, files: Mapping[str, Path]) -> ModelFacts:
        """What the model's files say."""
        return read_model(files)

    def model_folder(self, model: LoggedModel) -> Folder:
        """The model's files, through the server wherever it keeps them."""
        listing = f"{API}/logged-models/{quote(model.id)}/artifacts/directories"
        files = f"/ajax-api/2.0/mlflow/logged-models/{quote(model.id)}/artifacts/files"
        return _Listed(
            self._http,
            lambda path: self._http.call("GET", listing, {"artifact_directory_path": path} if path else {}),
            lambda path: (files, {"artifact_file_path": path}),
        )

    def registered_models(self) -> list[SourceModel]:
        """The registry, by name."""
        pages = self._http.pages("GET", f"{API}/registered-models/search", {"max_results": 100}, "registered_models")
        found = [
            SourceModel(
                name=item["name"],
                description=item.get("description", ""),
                tags=_pairs(item.get("tags")),
                aliases={said["alias"]: int(said["version"]) for said in item.get("aliases", ())},
                versions=tuple(self._versions(item["name"])),
            )
            for item in pages
        ]
        return sorted(found, key=lambda model: model.name)

    def omitted(self) -> list[tuple[str, int]]:
        """Nothing: the protocol doesn't tell how much there is."""
        return []

    def _check(self) -> None:
        try:
            self._http.call("POST", f"{API}/experiments/search", {"max_results": 1})
        except NotFoundError as error:
            msg = f"{self.name} doesn't speak MLflow's protocol: {error}; give the address that MLFLOW_TRACKING_URI would have"
            raise InvalidInputError(msg) from error

    def _found_models(self, experiment: Experiment) -> list[dict[str, Any]]:
        body = {"experiment_ids": [experiment.id], "max_results": _FEW}
        try:
            found = list(self._http.pages("POST", f"{API}/logged-models/search", body, "models"))
        except NotFoundError:  # a server from before MLflow 3
            return []
        return sorted(found, key=lambda item: int(item["info"].get("creation_timestamp_ms", 0)))

    def _versions(self, name: str) -> list[SourceVersion]:
        mark = '"' if "'" in name else "'"
        query = {"filter": f"name={mark}{name}{mark}", "max_results": _PAGE}
        pages = self._http.pages("GET", f"{API}/model-versions/search", query, "model_versions")
        return sorted((self._version(item) for item in pages), key=lambda version: version.version)

    def _version(self, item: Mapping[str, Any]) -> SourceVersion:
        source = item.get("source", "")
        model_id = item.get("model_id", "") or (source.removeprefix("models:/") if source.startswith("models:/m-") else "")
        if not model_id:
            query = {"name": item["name"], "version": item["version"]}
            source = self._http.call("GET", f"{API}/model-versions/get-download-uri", query).get("artifact_uri", source)
        return SourceVersion(
            version=int(item["version"]),
            stage=item.get("current_stage", "None"),
            run_id=item.get("run_id", ""),
            source=source,
            model_id=model_id,
            user=item.get("user_id", ""),
            description=item.get("description", ""),
            created=micros(item.get("creation_timestamp")) or 0,
            updated=micros(item.get("last_updated_timestamp")) or 0,
            tags=_pairs(item.get("tags")),
        )

    def _proxied(self, root: str) -> Folder:
        base = "/api/2.0/mlflow-artifacts/artifacts"

        def listed(path: str) -> Mapping[str, Any]:
            below = "/".join(filter(None, (root, path)))
            found = self._http.call("GET", base, {"path": below})
            files = [{**item, "path": "/".join(filter(None, (path, item["path"])))} for item in found.get("files", ())]
            return {"files": files}

        return _Listed(self._http, listed, lambda path: (f"{base}/{quote(f'{root}/{path}')}", {}))


@dataclass(frozen=True, slots=True)
class _Listed:
    """Files that a server lists a folder at a time.

    Attributes:
        listed: a folder's path, empty for the top → what the server says of it, its paths from the top.
        address: a file's path → where to get it: path and query.
    """

    http: _Http
    listed: Callable[[str], Mapping[str, Any]]
    address: Callable[[str], tuple[str, Mapping[str, str]]]

    def files(self) -> list[SourceFile]:
        """All files, folder by folder."""
        found, waiting = [], [""]
        while waiting:
            for item in self.listed(waiting.pop()).get("files", ()):
                if item.get("is_dir"):
                    waiting.append(item["path"])
                else:
                    size = item.get("file_size")
                    found.append(SourceFile(item["path"], None if size is None else int(size)))
        return sorted(found, key=lambda file: file.path)

    def fetch(self, path: str, folder: Path) -> Path:
        """A copy of a file, streamed."""
        target = folder / "fetched"
        self.http.download(*self.address(path), target)
        return target


class _Http:
    """Asks a server; a busy one, or a connection that breaks, again after a moment."""

    def __init__(self, base: str, login: Mapping[str, Any]) -> None:
        self._base = base
        self._client = httpx.Client(base_url=base, timeout=httpx.Timeout(60, connect=10), follow_redirects=False, **login)

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that a call answers. Raises NotFoundError, StorageError."""
        about = {"params": said} if method == "GET" else {"json": said}
        response = self._again(lambda: self._client.request(method, path, **about), path)  # type: ignore[arg-type]
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            msg = f"{self._base}{path} answered with something else than a JSON object"
            raise NotFoundError(msg)
        return found

    def pages(self, method: str, path: str, said: Mapping[str, Any], field: str) -> Iterator[dict[str, Any]]:
        """The items of all pages of a call."""
        token: dict[str, str] = {}
        while True:
            found = self.call(method, path, {**said, **token})
            yield from found.get(field, ())
            if not found.get("next_page_token"):
                return
            token = {"page_token": found["next_page_token"]}

    def download(self, path: str, query: Mapping[str, str], target: Path) -> None:
        """Write what an address gives into a file."""

        def once() -> httpx.Response:
            with self._client.stream("GET", path, params=query) as response:
                if response.is_error:
                    response.read()
                    return response
                with target.open("wb") as file:
                    for chunk in response.iter_bytes(_CHUNK):
                        file.write(chunk)
                return response

        self._again(once, path)

    def _again(self, ask: Callable[[], httpx.Response], path: str) -> httpx.Response:
        for attempt in range(1, _TRIES + 1):
            try:
                response = ask()
            except httpx.InvalidURL as error:
                msg = f"{self._base} is no address of a server: {error}"
                raise InvalidInputError(msg) from error
            except httpx.HTTPError as error:
                if attempt == _TRIES or isinstance(error, httpx.ConnectError | httpx.UnsupportedProtocol):
                    msg = f"{self._base} doesn't answer ({error}); is the server running there?"
                    raise StorageError(msg) from error
            else:
                if response.status_code not in _BUSY or attempt == _TRIES:
                    return self._checked(response, path)
            time.sleep(0.2 * 2**attempt)
        raise AssertionError

    def _checked(self, response: httpx.Response, path: str) -> httpx.Response:
        if response.is_success:
            return response
        try:
            said = response.json()
            text = f"{said['error_code']}: {said['message']}"
        except (ValueError, KeyError, TypeError):
            text = f"HTTP {response.status_code}"
        msg = f"{self._base}{path} answered {text}"
        if response.status_code in (401, 403):
            msg += "; give the login in the address, or in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        raise (NotFoundError if response.status_code == 404 else StorageError)(msg)


def _login(user: str | None, password: str | None) -> dict[str, Any]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    user = unquote(user) if user else os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = unquote(password) if password else os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    if user:
        return {"auth": (user, password)}
    return {"headers": {"Authorization": f"Bearer {token}"}} if token else {}


def _pairs(items: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    return {item["key"]: item.get("value", "") for item in items or ()}


def _point(item: Mapping[str, Any]) -> Metric:
    return metric(item["key"], finite_or_infinite(float(item["value"])), item.get("timestamp"), item.get("step"))


def _run(item: Mapping[str, Any], experiment: Experiment) -> Run:
    info, data = item["info"], item.get("data", {})
    tags = _pairs(data.get("tags"))
    start = micros(info.get("start_time"))
    return Run(
        id=info["run_id"],
        name=info.get("run_name") or tags.get(NAME_TAG, "") or info["run_id"],
        experiment_id=experiment.id,
        experiment=experiment.name,
        status=info["status"],
        start=experiment.created if start is None else start,
        end=micros(info.get("end_time")),
        user=info.get("user_id", ""),
        artifact_uri=info.get("artifact_uri", ""),
        lifecycle_stage=stage_of(info.get("lifecycle_stage")),
        params=_pairs(data.get("params")),
        tags=tags,
        latest={point.key: point for point in map(_point, data.get("metrics", ()))},
        inputs=tuple(_input(given) for given in item.get("inputs", {}).get("dataset_inputs", ())),
        outputs=tuple(
            ModelOutput(made["model_id"], int(made.get("step", 0))) for made in item.get("outputs", {}).get("model_outputs", ())
        ),
    )


def _input(item: Mapping[str, Any]) -> DatasetInput:
    data, tags = item["dataset"], _pairs(item.get("tags"))
    return DatasetInput(
        name=data["name"],
        digest=data["digest"],
        source_type=data.get("source_type", ""),
        source=data.get("source", ""),
        schema=data.get("schema", ""),
        profile=data.get("profile", ""),
        context=tags.pop(CONTEXT, ""),
        tags=tags,
    )


def _logged(item: Mapping[str, Any]) -> LoggedModel:
    info = item["info"]
    return LoggedModel(
        id=info["model_id"],
        run_id=info.get("source_run_id", ""),
        experiment_id=str(info["experiment_id"]),
        name=info["name"],
        flavor="",
        serializer="",
        created=micros(int(info["creation_timestamp_ms"])) or 0,
        updated=micros(int(info["last_updated_timestamp_ms"])) or 0,
        status=str(info.get("status", "")).removeprefix("LOGGED_MODEL_"),
        kind=info.get("model_type", ""),
        artifact_uri=info.get("artifact_uri", ""),
        params=_pairs(item.get("data", {}).get("params")),
        tags=_pairs(info.get("tags")),
    )
