"""MLflow's artifact protocol: files of runs and of logged models, whole, in ranges, in parts, and never outside their place."""

from __future__ import annotations

import hashlib
import http.client
import uuid
from urllib.parse import quote

import httpx
import obstore
import pytest

import headrace as hr
from headrace.buckets.connection import Connection
from protocol.mlflow.conftest import Asking
from servers.headrace import headrace_server

FILES = "/api/2.0/mlflow-artifacts/"


def root_of(ask, run):
    """The path of a run's files, without the scheme."""
    uri = ask.state(run)["info"]["artifact_uri"]
    assert uri.startswith("mlflow-artifacts:/")
    return uri.removeprefix("mlflow-artifacts:/")


@pytest.fixture
def root(ask):
    return root_of(ask, ask.run())


def put(ask, path, data=b"data"):
    return ask.client.put(f"{FILES}artifacts/{quote(path)}", content=data)


def get(ask, path, **headers):
    return ask.client.get(
        f"{FILES}artifacts/{quote(path)}", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def names(ask, path):
    answer = ask.client.get(f"{FILES}artifacts", params={"path": path})
    assert answer.status_code == 200
    return [(item["path"], item["is_dir"], item.get("file_size")) for item in answer.json().get("files", [])]


def test_what_was_put_is_there_byte_for_byte_and_in_lists(ask, root):
    data = bytes(range(256)) * 5000
    answer = put(ask, f"{root}/plots/roc.bin", data)
    assert (answer.status_code, answer.content) == (200, b"")
    put(ask, f"{root}/notes.md", b"hello")
    assert get(ask, f"{root}/plots/roc.bin").content == data
    assert names(ask, root) == [("notes.md", False, 5), ("plots", True, None)]
    assert names(ask, f"{root}/plots") == [("roc.bin", False, len(data))]
    assert names(ask, f"{root}/none") == names(ask, "") == names(ask, "0") == []
    run = root.split("/")[-2]
    listed = ask.client.get("/api/2.0/mlflow/artifacts/list", params={"run_id": run, "path": "plots"}).json()
    assert listed["files"] == [{"path": "plots/roc.bin", "is_dir": False, "file_size": len(data)}]
    assert listed["root_uri"] == f"mlflow-artifacts:/{root}"
    assert [item["path"] for item in ask.get("artifacts/list", run_uuid=run).json()["files"]] == ["notes.md", "plots"]


def test_a_file_without_length_comes_in_pieces(ask, root):
    def pieces():
        for _ in range(50):
            yield b"x" * 100_000

    answer = ask.client.put(f"{FILES}artifacts/{root}/chunked", content=pieces())
    assert answer.status_code == 200
    assert get(ask, f"{root}/chunked").content == b"x" * 5_000_000


def test_a_file_is_replaced_and_removed_and_a_folder_with_it(ask, root):
    put(ask, f"{root}/a/b", b"1")
    put(ask, f"{root}/a/b", b"22")
    put(ask, f"{root}/a/c/d", b"3")
    assert get(ask, f"{root}/a/b").content == b"22"
    assert ask.client.delete(f"{FILES}artifacts/{root}/a/b").json() == {}
    assert get(ask, f"{root}/a/b").status_code == 404
    assert ask.client.delete(f"{FILES}artifacts/{root}/a/b").status_code == 200
    assert ask.client.delete(f"{FILES}artifacts/{root}/a").status_code == 200
    assert names(ask, root) == []
    assert ask.client.delete(f"{FILES}artifacts").status_code in (404, 405)


def test_a_file_and_a_folder_never_share_a_path(ask, root):
    put(ask, f"{root}/a")
    assert put(ask, f"{root}/a/b").status_code == 400
    put(ask, f"{root}/f/x")
    assert put(ask, f"{root}/f").status_code == 400
    assert put(ask, root).status_code == 400
    assert (get(ask, f"{root}/f").status_code, get(ask, f"{root}/none").status_code) == (400, 404)


def test_ranges_and_tags_work_as_http_says(ask, root):
    data = bytes(range(200))
    put(ask, f"{root}/r", data)
    whole = get(ask, f"{root}/r")
    assert whole.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert whole.headers["content-length"] == "200"
    for asked, part, told in (
        ("bytes=10-19", data[10:20], "bytes 10-19/200"),
        ("bytes=190-", data[190:], "bytes 190-199/200"),
        ("bytes=-5", data[-5:], "bytes 195-199/200"),
        ("bytes=150-9999", data[150:], "bytes 150-199/200"),
    ):
        answer = get(ask, f"{root}/r", range=asked)
        assert (answer.status_code, answer.content, answer.headers["content-range"]) == (206, part, told)
    assert get(ask, f"{root}/r", range="bytes=200-").status_code == 416
    for odd in ("bytes=5-2", "bytes=x", "bytes=-", "lines=1-2", "bytes=0-1,5-6"):
        assert (get(ask, f"{root}/r", range=odd).status_code, get(ask, f"{root}/r", range=odd).content) == (200, data)
    assert get(ask, f"{root}/r", if_none_match=whole.headers["etag"]).status_code == 304
    assert get(ask, f"{root}/r", range="bytes=0-1", if_range='"other"').content == data
    head = ask.client.head(f"{FILES}artifacts/{root}/r")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "200")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x.html", "attachment; filename=x.html"),
        ("x.svg", "attachment; filename=x.svg"),
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ("q\"u;o'te.txt", "attachment; filename*=UTF-8''q%22u%3Bo%27te.txt"),
        ("übung-\u202egpj.exe", "attachment; filename*=UTF-8''%C3%BCbung-%E2%80%AEgpj.exe"),
        ("<script>alert(1)</script>.html", None),
    ],
)
def test_nothing_that_was_uploaded_is_shown_by_a_browser(ask, root, name, told):
    assert put(ask, f"{root}/{name}", b"<script>alert(1)</script>").status_code == (200 if told else 400) or "/" in name
    if told is None:
        return
    run = root.split("/")[-2]
    ways = (
        get(ask, f"{root}/{name}"),
        ask.client.get("/get-artifact", params={"run_id": run, "path": name}),
        ask.client.get("/ajax-api/2.0/mlflow/get-artifact", params={"run_uuid": run, "path": name}),
    )
    for answer in ways:
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == told
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xhtml", "x.js", "x.mjs", "x.JS", "x.css", "x"])
def test_what_our_pages_show_of_a_file_has_no_origin_and_is_none_of_their_scripts_or_styles(ask, root, name):
    assert put(ask, f"{root}/{name}", b"alert(1)").status_code == 200
    answer = ask.client.get(f"/api/v1/runs/{root.split('/')[-2]}/files/{name}")
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-scripts;" in policy
    assert "default-src 'none'" in policy
    assert not any(kind in answer.headers["content-type"] for kind in ("javascript", "ecmascript", "css"))


def test_media_types_are_those_that_mlflow_tells(ask, root):
    kinds = {"MLmodel": "text/plain", "a.json": "text/plain", "a.png": "image/png", "model.pkl": "application/octet-stream"}
    for name, kind in kinds.items():
        put(ask, f"{root}/{name}")
        assert get(ask, f"{root}/{name}").headers["content-type"] == kind


TRAVERSALS = (
    "../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/x",
    "%252e%252e%252fx",
    "%25252e%25252e%25252fx",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "C:%5cx",
    "..%5c..%5cetc",
    "..%5C..%5Cetc",
    "a%00b",
    "a%2500b",
    "a%0d%0aset-cookie:x",
    "a/../../b",
    "a//b",
    "./a",
    "a/.",
    "%2e",
    "%c0%ae%c0%ae%c0%afetc",
    "x" * 1100,
)


def raw(ask, method, target, body=b"x"):
    """The status of a request whose target no library has tidied up."""
    where = httpx.URL(ask.url)
    connection = http.client.HTTPConnection(where.host, where.port, timeout=60)
    connection.putrequest(method, target, skip_accept_encoding=True)
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Content-Type", "application/json")
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


@pytest.mark.parametrize("bad", TRAVERSALS)
def test_no_path_leads_out_of_its_place(ask, root, bad):
    """Below a run, right below the service, and in every parameter that takes a path."""
    run = root.split("/")[-2]
    model = ask.post("logged-models", experiment_id="0").json()["model"]["info"]["model_id"]
    name = "x" if bad == "%c0%ae%c0%ae%c0%afetc" else None  # no UTF-8: it can only name nothing
    parts = b'{"path": "x", "num_parts": 1, "upload_id": "x", "parts": [{"part_number": 1, "etag": "x"}]}'
    asked = [
        ("GET", f"{FILES}artifacts/{bad}", b""),
        ("GET", f"{FILES}artifacts/{root}/{bad}", b""),
        ("DELETE", f"{FILES}artifacts/0/{bad}", b""),
        ("GET", f"{FILES}artifacts?path={root}/{bad}", b""),
        ("GET", f"/get-artifact?run_id={run}&path={bad}", b""),
        ("GET", f"/api/2.0/mlflow/artifacts/list?run_id={run}&path={bad}", b""),
        ("GET", f"/model-versions/get-artifact?name=m&version=1&path={bad}", b""),
        ("GET", f"/api/2.0/mlflow/logged-models/{model}/artifacts/directories?artifact_directory_path={bad}", b""),
        ("GET", f"/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files?artifact_file_path={bad}", b""),
        ("GET", f"{FILES}presigned/{root}/{bad}", b""),
        *(("POST", f"{FILES}mpu/{verb}/{root}/{bad}", parts) for verb in ("create", "complete", "abort")),
        *([] if name else [("PUT", f"{FILES}artifacts/{root}/{bad}", b"evil")]),
        *([] if name else [("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path={bad}", b"evil")]),
    ]
    for method, target, body in asked:
        status, text = raw(ask, method, target, body)
        assert "root:" not in text
        assert status in ((200, 400, 404) if name else (400, 404)), (method, target, text)
    assert names(ask, root) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_fragment_that_names_no_run_is_no_path(ask, method):
    status, text = raw(ask, method, f"{FILES}artifacts/%23x")
    assert (status, "Invalid path" in text) == (400, True)


def test_files_of_a_run_are_not_reached_through_another_experiment(ask, root):
    put(ask, f"{root}/secret")
    made = ask.post("experiments/create", name=f"other-{uuid.uuid4().hex}").json()["experiment_id"]
    run = root.split("/")[-2]
    for wrong in (
        f"{made}/{run}/artifacts/secret",
        f"{run}/artifacts/secret",
        f"0/models/{run}/artifacts/secret",
        f"x/{root}/secret",
    ):
        assert get(ask, wrong).status_code == 404
        assert put(ask, wrong).status_code == 404


def test_a_deleted_run_keeps_its_files_and_takes_no_more(ask):
    run = ask.run()
    root = root_of(ask, run)
    put(ask, f"{root}/a", b"1")
    ask.post("runs/delete", run_id=run)
    assert put(ask, f"{root}/b").status_code == 400
    assert ask.client.delete(f"{FILES}artifacts/{root}/a").status_code == 400
    assert get(ask, f"{root}/a").content == b"1"


def test_pages_of_other_sites_may_not_send_or_fetch(ask, root):
    for headers in ({"origin": "http://evil.com"}, {"origin": "null"}, {"origin": "http://localhost.evil.com"}):
        answer = ask.client.put(f"{FILES}artifacts/{root}/x", content=b"x", headers=headers)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    for host in ("evil.com", "evil.com:5000"):
        assert ask.client.get(f"{FILES}artifacts", headers={"host": host}).status_code == 403
    assert names(ask, root) == []


def test_the_app_may_upload_ten_megabytes(ask, root):
    run = root.split("/")[-2]
    where = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=f.bin"
    assert ask.client.post(where, content=bytes(10_000_000)).json() == {}
    answer = ask.client.post(where, content=bytes(10_000_001))
    assert (answer.status_code, answer.json()["error_code"]) == (413, "BAD_REQUEST")
    assert names(ask, root) == [("f.bin", False, 10_000_000)]
    for missing in (f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}", "/ajax-api/2.0/mlflow/upload-artifact?path=x"):
        assert "Missing value for required parameter" in ask.client.post(missing, content=b"x").json()["message"]


def upload(ask, root, name, parts):
    made = ask.client.post(f"{FILES}mpu/create/{root}", json={"path": f"/home/me/{name}", "num_parts": len(parts)}).json()
    done = []
    for place, data in zip(made["credentials"], parts, strict=True):
        answer = httpx.put(place["url"], content=data, headers=place["headers"], timeout=60)
        assert answer.status_code == 200, answer.text
        done.append({"part_number": place["part_number"], "etag": answer.headers["etag"]})
    return made["upload_id"], done


def complete(ask, root, name, upload_id, parts):
    body = {"path": name, "upload_id": upload_id, "parts": parts}
    return ask.client.post(f"{FILES}mpu/complete/{root}", json=body)


def test_parts_become_a_file_once(ask, root):
    made, parts = upload(ask, f"{root}/models", "w.bin", [b"a" * 100_000, b"b" * 50_000])
    assert names(ask, root) == []
    assert complete(ask, f"{root}/models", "other.bin", made, parts).status_code == 400
    wrong = [{**parts[0], "etag": "x"}, parts[1]]
    assert complete(ask, f"{root}/models", "w.bin", made, wrong).status_code == 400
    assert complete(ask, f"{root}/models", "w.bin", made, parts).status_code == 200
    assert complete(ask, f"{root}/models", "w.bin", made, parts).status_code == 200
    assert get(ask, f"{root}/models/w.bin").content == b"a" * 100_000 + b"b" * 50_000


def test_an_upload_that_was_aborted_takes_no_parts(ask, root):
    made, parts = upload(ask, root, "w.bin", [b"a"])
    assert ask.client.post(f"{FILES}mpu/abort/{root}", json={"path": "w.bin", "upload_id": made}).json() == {}
    assert complete(ask, root, "w.bin", made, parts).status_code == 404
    part = ask.client.put(f"{FILES}mpu/parts/{made}/1", content=b"x")
    assert (part.status_code, part.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    for odd in ("0", "10001", "x", "1" * 10, "-1"):
        assert ask.client.put(f"{FILES}mpu/parts/{made}/{odd}", content=b"x").status_code in (400, 404)
    for count in (0, -1, 10_001):
        assert ask.client.post(f"{FILES}mpu/create/{root}", json={"path": "x", "num_parts": count}).status_code == 400


def test_without_a_bucket_there_is_nothing_signed(ask, root):
    put(ask, f"{root}/a")
    run = root.split("/")[-2]
    for answer in (
        ask.client.get(f"{FILES}presigned/{root}/a"),
        ask.client.post("/api/2.0/mlflow/artifacts/presigned-download-url", json={"run_id": run, "path": "a"}),
        ask.client.post("/api/2.0/mlflow/artifacts/presigned-upload-url", json={"run_id": run, "path": "a"}),
    ):
        assert (answer.status_code, answer.json()["error_code"]) == (501, "NOT_IMPLEMENTED")


def test_a_torn_upload_leaves_nothing(ask, root):
    where = httpx.URL(ask.url)
    connection = http.client.HTTPConnection(where.host, where.port, timeout=60)
    connection.putrequest("PUT", f"{FILES}artifacts/{root}/torn")
    connection.putheader("Content-Length", "10000000")
    connection.endheaders(b"x" * 3_000_000)
    connection.close()
    assert get(ask, f"{root}/torn").status_code == 404
    assert names(ask, root) == []


def test_with_a_bucket_bytes_go_straight_there_and_come_straight_from_there(bucket, tmp_path):
    (tmp_path / "headrace.toml").write_text(f'artifacts = "{bucket}/files"\n')
    with headrace_server(tmp_path) as url, httpx.Client(base_url=url, timeout=60) as client:
        ask = Asking(url)
        assert client.get("/api/3.0/mlflow/server-info").json()["multipart_downloads_enabled"] is True
        run = ask.run()
        root = root_of(ask, run)
        made, parts = upload(ask, root, "w.bin", [b"a" * 1000, b"b"])
        assert complete(ask, root, "w.bin", made, parts).status_code == 200
        put(ask, f"{root}/small", b"through the server")
        for name, data in (("w.bin", b"a" * 1000 + b"b"), ("small", b"through the server")):
            signed = client.get(f"{FILES}presigned/{root}/{name}").json()
            assert url not in signed["url"]
            assert signed["file_size"] == len(data)
            assert httpx.get(signed["url"], headers=signed["headers"]).content == data
            assert httpx.get(signed["url"], headers={**signed["headers"], "range": "bytes=2-4"}).content == data[2:5]
            assert get(ask, f"{root}/{name}").content == data
        told = client.post("/api/2.0/mlflow/artifacts/presigned-download-url", json={"run_id": run, "path": "small"}).json()
        assert httpx.get(told["presigned_url"]).content == b"through the server"
        ask.client.close()


def test_files_that_a_client_put_into_a_bucket_itself_are_shown_if_the_bucket_is_named(bucket, tmp_path):
    (tmp_path / "headrace.toml").write_text(f'artifact_buckets = ["{bucket}/team"]\n')
    objects = Connection.at(bucket, "artifacts").store
    with headrace_server(tmp_path) as url, httpx.Client(base_url=url, timeout=60) as client:
        ask = Asking(url)

        def run_at(place):
            home = ask.post("experiments/create", name=place, artifact_location=f"{bucket}/{place}").json()["experiment_id"]
            info = ask.post("runs/create", experiment_id=home).json()["run"]["info"]
            assert info["artifact_uri"] == f"{bucket}/{place}/{info['run_id']}/artifacts"
            for path in ("model/MLmodel", "model/data/w.bin", "plots.csv", "plots2.csv"):
                obstore.put(objects, f"{place}/{info['run_id']}/artifacts/{path}", b"a,b\n1,2\n")
            return home, info["run_id"]

        home, run = run_at("team/runs")

        def listed(path=""):
            found = client.get("/api/2.0/mlflow/artifacts/list", params={"run_id": run, "path": path}).json()
            return [(item["path"], item["is_dir"], item.get("file_size")) for item in found["files"]]

        assert listed() == [("model", True, None), ("plots.csv", False, 8), ("plots2.csv", False, 8)]
        assert listed("model") == [("model/MLmodel", False, 8), ("model/data", True, None)]
        got = client.get("/get-artifact", params={"run_id": run, "path": "plots.csv"}, headers={"range": "bytes=2-4"})
        assert (got.status_code, got.content, got.headers["content-range"]) == (206, b"b\n1", "bytes 2-4/8")
        assert client.get("/get-artifact", params={"run_id": run, "path": "plots"}).status_code == 404
        signed = client.post("/api/2.0/mlflow/artifacts/presigned-download-url", json={"run_id": run, "path": "plots.csv"}).json()
        assert httpx.get(signed["presigned_url"], timeout=60).content == b"a,b\n1,2\n"
        ours = client.get(f"/api/v1/runs/{run}/files").json()["files"]
        assert [item["path"] for item in ours] == ["model/MLmodel", "model/data/w.bin", "plots.csv", "plots2.csv"]
        assert client.get(f"/api/v1/runs/{run}/files/plots.csv").content == b"a,b\n1,2\n"
        assert client.get(f"/api/v1/runs/{run}/tables/plots.csv").json()["values"] == [[1], [2]]
        model = ask.post("logged-models", experiment_id=home, name="m", source_run_id=run).json()["model"]["info"]
        obstore.put(objects, f"{model['artifact_uri'].removeprefix(f'{bucket}/')}/MLmodel", b"x")
        shown = client.get(f"/api/2.0/mlflow/logged-models/{model['model_id']}/artifacts/directories").json()["files"]
        assert [item["path"] for item in shown] == ["MLmodel"]
        for place in ("team2/runs", "elsewhere"):
            _, run = run_at(place)
            assert "files" not in ask.get("artifacts/list", run_id=run).json()
            assert client.get("/get-artifact", params={"run_id": run, "path": "plots.csv"}).status_code == 404
            assert client.get(f"/api/v1/runs/{run}/files").json() == {"files": [], "unread": f"{bucket}/{place}/{run}/artifacts"}
        ask.client.close()


def test_files_of_our_runs_are_those_of_mlflow_and_the_other_way_round(tmp_path):
    with hr.connect(tmp_path) as store, store.start_run(capture=False) as run:
        run.log_text("ours.txt", "ours")
    with headrace_server(tmp_path) as url, httpx.Client(base_url=url, timeout=60) as client:
        uri = client.get("/api/2.0/mlflow/runs/get", params={"run_id": run.id}).json()["run"]["info"]["artifact_uri"]
        root = f"{FILES}artifacts/{uri.removeprefix('mlflow-artifacts:/')}"
        assert client.get(f"{root}/ours.txt").content == b"ours"
        client.put(f"{root}/folder/theirs.txt", content=b"theirs")
    with hr.connect(tmp_path) as store:
        assert [entry.path for entry in store.runs.artifacts(run.id)] == ["folder/theirs.txt", "ours.txt"]
        assert store.runs.read_artifact(run.id, "folder/theirs.txt") == b"theirs"
