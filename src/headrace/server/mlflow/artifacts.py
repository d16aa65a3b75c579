"""MLflow's artifact protocol over the files of runs and logged models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import quote

from headrace.errors import ConflictError, InvalidInputError, NotFoundError
from headrace.server.endpoint import Endpoint, Handler, Operation
from headrace.server.errors import BodyTooLargeError
from headrace.server.http import JSON, Call, Reply
from headrace.server.mlflow.artifacts_files import send
from headrace.server.mlflow.artifacts_paths import children, clean_path, file_at, owner
from headrace.server.mlflow.errors import CodedError
from headrace.server.mlflow.registry_places import below, find_place
from headrace.server.mlflow.wire import DONE, filled, member, missing, read, read_record, reply
from headrace.server.schema import Content, Field, Record
from headrace.tracking.files import Home
from headrace.tracking.run import ArtifactEntry

__all__ = ["ENDPOINTS"]

OCTETS = "application/octet-stream"
SIGNED_SECONDS = 900
LONGEST_SIGNED = 604_800
LARGEST_FROM_THE_APP = 10_000_000
PARTS = "/api/2.0/mlflow-artifacts/mpu/parts"

_FILE = Field("A path among the files, for example `plots/roc.png`.")
_FILES = Record(
    "MlflowFiles", {"root_uri": Field("Where the files are."), "files": Field("`path`, `is_dir`, `file_size`.", ("array",))}
)
_CREATE = Record(
    "MlflowCreateUpload",
    {"path": Field("The file's name.", required=True), "num_parts": Field("Into how many parts it is cut.", ("integer",))},
)
_CREATED = Record(
    "MlflowUpload",
    {"upload_id": Field("Its id."), "credentials": Field("`url`, `part_number`, `headers` of each part.", ("array",))},
)
_COMPLETE = Record(
    "MlflowCompleteUpload",
    {
        "path": Field("The file's name.", required=True),
        "upload_id": Field("The upload's id.", required=True),
        "parts": Field("`part_number` and `etag` of each part.", ("array",), required=True),
    },
)
_PART = Record("MlflowPart", {"part_number": Field("", ("integer",), required=True), "etag": Field("", required=True)})
_ABORT = Record("MlflowAbortUpload", {"path": Field("The file's name."), "upload_id": Field("The upload's id.", required=True)})
_SIGN = Record(
    "MlflowSignDownload",
    {
        "run_id": Field("The run.", required=True),
        "path": Field("The file.", required=True),
        "expiration": Field(f"For how many seconds, 1 to {LONGEST_SIGNED:,}. Default: {SIGNED_SECONDS}.", ("integer",)),
    },
)


def _list_below(call: Call) -> Reply:
    """The files and folders right in a folder, by their names. A folder that isn't there is empty."""
    path = call.query.get("path", "").removesuffix("/")
    if not path:
        return DONE
    try:
        home, folder = find_place(call.store, path)
    except NotFoundError:
        return DONE
    return reply(filled({"files": children(below(call.store, home, folder), folder)}))


def _get(call: Call) -> Reply:
    """A file, or a range of it."""
    home, path = find_place(call.store, call.path["path"])
    return _send(call, home, path)


def _put(call: Call) -> Reply:
    """Keep the body as a file of a run, or of a logged model that isn't ready."""
    home, path = find_place(call.store, call.path["path"])
    _keep(call, home, path, call.pieces)
    return Reply(b"")


def _delete(call: Call) -> Reply:
    """Remove a file, or a folder with all that is in it. What isn't there is fine."""
    try:
        home, path = find_place(call.store, call.path["path"].removesuffix("/"))
    except NotFoundError:
        return DONE
    _require_open(home)
    call.store.artifacts.index.remove(home, path)
    return DONE


def _list_of_run(call: Call) -> Reply:
    """The files and folders right in a folder of a run, by their paths."""
    query = call.query
    run_id = query.get("run_id") or query.get("run_uuid") or missing("run_id")
    home = owner(call.store.artifacts.index, "run", run_id)
    return _listed(call, home, query.get("path", ""))


def _list_of_model(call: Call) -> Reply:
    """The files and folders right in a folder of a logged model, by their paths."""
    home = owner(call.store.artifacts.index, "model", call.path["model_id"])
    return _listed(call, home, call.query.get("artifact_directory_path", ""))


def _file_of_run(call: Call) -> Reply:
    """A file of a run."""
    query = call.query
    run_id = query.get("run_id") or query.get("run_uuid") or missing("run_id")
    home = owner(call.store.artifacts.index, "run", run_id)
    return _send(call, home, clean_path(query.get("path") or missing("path")))


def _file_of_model(call: Call) -> Reply:
    """A file of a logged model."""
    home = owner(call.store.artifacts.index, "model", call.path["model_id"])
    return _send(call, home, clean_path(call.query.get("artifact_file_path") or missing("artifact_file_path")))


def _file_of_version(call: Call) -> Reply:
    """A file of a version of a registered model."""
    query = call.query
    name, version = query.get("name") or missing("name"), query.get("version") or missing("version")
    path = clean_path(query.get("path") or missing("path"))
    if not version.isdecimal():
        msg = f"Parameter 'version' must be an integer, got '{version[:100]}'."
        raise InvalidInputError(msg)
    return _send(call, Home("version", f"models:/{name}/{int(version)}", ""), path)


def _upload(call: Call) -> Reply:
    """Keep the body as a file of a run, as MLflow's web app does: up to 10 MB."""
    query = call.query
    run_id = query.get("run_uuid") or query.get("run_id") or missing("run_uuid")
    path = clean_path(query.get("path") or missing("path"))
    home = owner(call.store.artifacts.index, "run", run_id)
    _keep(call, home, path, _limited(call.pieces, LARGEST_FROM_THE_APP))
    return DONE


def _create_upload(call: Call) -> Reply:
    """Begin an upload in parts, which go straight to the bucket if artifacts are kept in one."""
    asked = read(call, _CREATE)
    home, path = _target(call, asked["path"])
    _require_open(home)
    call.store.artifacts.index.add(home, [])
    count = 1 if asked["num_parts"] is None else asked["num_parts"]
    if not 1 <= count <= 10_000:
        msg = f"Invalid value {count} for parameter 'num_parts' supplied: an upload has 1 to 10,000 parts"
        raise InvalidInputError(msg)
    uploads = call.store.artifacts.uploads
    upload = uploads.begin(_about(home, path))
    credentials = []
    for number in range(1, count + 1):
        signed = uploads.sign_part(upload, number, LONGEST_SIGNED // 7)
        url = signed.url if signed else f"{_address(call)}{PARTS}/{upload}/{number}"
        credentials.append({"url": url, "part_number": number, "headers": dict(signed.headers) if signed else {}})
    return reply({"upload_id": upload, "credentials": credentials})


def _put_part(call: Call) -> Reply:
    """Keep a part of an upload. Its id is what lets one do that."""
    number = call.path["number"]
    if not number.isdecimal() or len(number) > 6:
        msg = f"a part has a number from 1 to 10,000, not {number[:20]!r}"
        raise InvalidInputError(msg)
    part = call.store.artifacts.uploads.put_part(call.path["upload"], int(number), call.pieces)
    return Reply(b"", headers={"etag": f'"{part.etag}"'})


def _complete_upload(call: Call) -> Reply:
    """Join the parts of an upload to the file that it was begun for."""
    asked = read(call, _COMPLETE)
    home, path = _target(call, asked["path"])
    parts = [read_record(member(item, f"parts[{place}]"), _PART, f"parts[{place}].") for place, item in enumerate(asked["parts"])]
    _require_open(home)
    call.store.artifacts.index.add(home, [])
    told = [(item["part_number"], item["etag"]) for item in parts]
    stored = call.store.artifacts.uploads.complete(asked["upload_id"], _about(home, path), told)
    call.store.artifacts.index.add(home, [ArtifactEntry(path, stored.digest, stored.size)])
    return DONE


def _abort_upload(call: Call) -> Reply:
    """Forget an upload and its parts."""
    asked = read(call, _ABORT)
    _target(call, asked["path"] or "x")
    call.store.artifacts.uploads.abort(asked["upload_id"])
    return DONE


def _sign_path(call: Call) -> Reply:
    """A URL at which a client can fetch a file from the bucket itself; 501 if artifacts are in a folder."""
    home, path = find_place(call.store, call.path["path"])
    return reply(_signed(call, home, path, "url", SIGNED_SECONDS))


def _sign_download(call: Call) -> Reply:
    """A URL at which a client can fetch a file of a run from the bucket itself; 501 if artifacts are in a folder."""
    asked = read(call, _SIGN)
    seconds = SIGNED_SECONDS if asked["expiration"] is None else asked["expiration"]
    if not 1 <= seconds <= LONGEST_SIGNED:
        msg = f"Invalid value {seconds} for parameter 'expiration' supplied: it is 1 to {LONGEST_SIGNED} seconds"
        raise InvalidInputError(msg)
    home = owner(call.store.artifacts.index, "run", asked["run_id"])
    return reply(_signed(call, home, clean_path(asked["path"]), "presigned_url", seconds))


def _sign_upload(call: Call) -> Reply:  # noqa: ARG001 - it says the same to all
    """Not served: nobody would tell us that the file has come. An upload in parts, of one part, does the same."""
    text = (
        "Presigned uploads are not supported: begin an upload in parts at /api/2.0/mlflow-artifacts/mpu/create, or PUT the file"
    )
    raise CodedError("NOT_IMPLEMENTED", 501, text)


def _send(call: Call, home: Home, path: str) -> Reply:
    return send(call, file_at(below(call.store, home, path), path), home)


def _keep(call: Call, home: Home, path: str, pieces: Iterator[bytes]) -> None:
    if not path:
        msg = "the path names a folder of files, not a file; add the file's name"
        raise InvalidInputError(msg)
    artifacts = call.store.artifacts
    _require_open(home)
    artifacts.index.add(home, [])  # a run that is deleted refuses before the body is taken
    stored = artifacts.files.put_stream(pieces)
    artifacts.index.add(home, [ArtifactEntry(path, stored.digest, stored.size)])


def _require_open(home: Home) -> None:
    if home.kind == "version":
        msg = f"the files of {home.id} are those that were registered, and never change; register another version"
        raise ConflictError(msg)


def _listed(call: Call, home: Home, path: str) -> Reply:
    folder = path.strip("/")
    if folder:
        clean_path(path.removesuffix("/"))
    found = children(below(call.store, home, folder), folder)
    files = [{**item, "path": f"{folder}/{item['path']}" if folder else item["path"]} for item in found]
    return reply(filled({"root_uri": home.uri, "files": files}))


def _target(call: Call, name: str) -> tuple[Home, str]:
    """Where an upload goes: the folder in the URL, and the name of the file that the client has on its disk."""
    home, folder = find_place(call.store, call.path["path"].removesuffix("/"))
    name = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return home, clean_path(f"{folder}/{name}" if folder else name)


def _about(home: Home, path: str) -> str:
    return f"{home.kind}:{home.id}/{path}"


def _signed(call: Call, home: Home, path: str, name: str, seconds: int) -> dict[str, Any]:
    entry = file_at(below(call.store, home, path), path)
    kept = call.store.artifacts
    signed = kept.files.sign(entry.digest, seconds) if entry.digest else kept.buckets.sign(home.uri, path, seconds)
    if signed is None:
        raise CodedError("NOT_IMPLEMENTED", 501, "Presigned downloads are not supported: artifacts are in a folder of the server")
    return {name: signed.url, "headers": dict(signed.headers), "file_size": entry.size}


def _address(call: Call) -> str:
    """How the client has reached us."""
    scheme = call.headers.get("x-forwarded-proto", "http")
    return f"{'https' if scheme == 'https' else 'http'}://{quote(call.headers.get('host', ''), safe=':[].-')}"


def _limited(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            msg = f"Artifact size is too large. Max size is {most // 1_000_000}MB; clients of the API may send more"
            raise BodyTooLargeError(msg)
        yield piece


def _json(handler: Handler, takes: Record, gives: Record | None = None) -> Operation:
    return Operation(handler, takes=(Content(JSON, takes),), gives=(Content(JSON, gives),))


def _query(handler: Handler, gives: Record | None, media_type: str = JSON, **fields: Field) -> Operation:
    return Operation(handler, gives=(Content(media_type, gives),), query=fields)


_RUN, _NAME, _VERSION = Field("A run's id."), Field("A registered model."), Field("One of its versions, by number.")
_PATH = Field("For example `0/RUN_ID/artifacts/plots`.")
_STREAMED = Operation(_put, takes=(Content(OCTETS),), gives=(Content(JSON),), streams=True)
_TABLE: tuple[tuple[str, str, str, Operation], ...] = (
    ("GET", "artifacts", "runs:read", _query(_list_below, _FILES, path=_PATH)),
    ("GET", "artifacts/{path...}", "runs:read", _query(_get, None, OCTETS)),
    ("PUT", "artifacts/{path...}", "runs:write", _STREAMED),
    ("DELETE", "artifacts/{path...}", "runs:write", Operation(_delete, gives=(Content(JSON),))),
    ("POST", "mpu/create/{path...}", "runs:write", _json(_create_upload, _CREATE, _CREATED)),
    ("POST", "mpu/complete/{path...}", "runs:write", _json(_complete_upload, _COMPLETE)),
    ("POST", "mpu/abort/{path...}", "runs:write", _json(_abort_upload, _ABORT)),
    ("GET", "presigned/{path...}", "runs:read", _query(_sign_path, None)),
)
_UPLOAD = Operation(
    _upload, takes=(Content(OCTETS),), gives=(Content(JSON),), query={"run_uuid": _RUN, "path": _FILE}, streams=True
)
_TRACKING: tuple[tuple[str, str, str, Operation], ...] = (
    ("GET", "artifacts/list", "runs:read", _query(_list_of_run, _FILES, run_id=_RUN, path=_FILE)),
    ("POST", "artifacts/presigned-download-url", "runs:read", _json(_sign_download, _SIGN)),
    ("POST", "artifacts/presigned-upload-url", "runs:write", Operation(_sign_upload, gives=(Content(JSON),))),
    ("POST", "upload-artifact", "runs:write", _UPLOAD),
    ("GET", "get-artifact", "runs:read", _query(_file_of_run, None, OCTETS, run_id=_RUN, path=_FILE)),
    (
        "GET",
        "logged-models/{model_id}/artifacts/directories",
        "runs:read",
        _query(_list_of_model, _FILES, artifact_directory_path=_FILE),
    ),
    (
        "GET",
        "logged-models/{model_id}/artifacts/files",
        "runs:read",
        _query(_file_of_model, None, OCTETS, artifact_file_path=_FILE),
    ),
)

_Side = Literal["/api/2.0/", "/ajax-api/2.0/"]
_SIDES: tuple[_Side, ...] = ("/api/2.0/", "/ajax-api/2.0/")
ENDPOINTS: tuple[Endpoint, ...] = (
    *(
        Endpoint(method, f"{side}{service}/{path}", permission, operation, "mlflow")
        for side in _SIDES
        for service, table in (("mlflow-artifacts", _TABLE), ("mlflow", _TRACKING))
        for method, path, permission, operation in table
    ),
    Endpoint(
        "PUT",
        f"{PARTS}/{{upload}}/{{number}}",
        "",
        Operation(_put_part, takes=(Content(OCTETS),), gives=(Content(JSON),), streams=True),
        "mlflow",
    ),
    Endpoint("GET", "/get-artifact", "runs:read", _query(_file_of_run, None, OCTETS, run_id=_RUN, path=_FILE), "mlflow"),
    *(
        Endpoint(
            "GET",
            f"{side}model-versions/get-artifact",
            "models:read",
            _query(_file_of_version, None, OCTETS, name=_NAME, version=_VERSION, path=_FILE),
            "mlflow",
        )
        for side in ("/", "/ajax-api/2.0/mlflow/")
    ),
)
"""The routes of artifacts."""
