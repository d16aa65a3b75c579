"""An MLflow server gives over REST what its database holds."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager

import pytest

import headrace as hr
from headrace.errors import InvalidInputError, StorageError
from headrace.importers.mlflow.carry import import_mlflow
from importing import contents
from servers.ports import free_port


def test_a_server_brings_the_same_as_its_database(mlflow_history, mlflow_server, tmp_path):
    with hr.connect(tmp_path / "a") as over_http, hr.connect(tmp_path / "b") as from_database:
        report = import_mlflow(mlflow_server, over_http.destination)
        import_mlflow(mlflow_history.url, from_database.destination)
        assert report.counts["runs"]["new"] == 6
        assert contents(over_http) == contents(from_database)
        assert import_mlflow(mlflow_server, over_http.destination).changed == 0
        model = "models:/video-ranker@champion"
        assert over_http.models.resolve(model).files == from_database.models.resolve(model).files


@contextmanager
def answering(status, body):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (404, b"nothing here", InvalidInputError, "doesn't speak MLflow's protocol"),
        (200, b"<html>", InvalidInputError, "something else than a JSON object"),
        (401, b"", StorageError, "MLFLOW_TRACKING_USERNAME"),
        (500, b'{"error_code": "INTERNAL_ERROR", "message": "broken"}', StorageError, "INTERNAL_ERROR: broken"),
    ],
)
def test_a_server_that_isnt_one_or_refuses_is_told(store, status, body, kind, words):
    with answering(status, body) as url, pytest.raises(kind, match=words):
        import_mlflow(url, store.destination)


def test_a_server_that_isnt_there_is_told_without_its_login(store):
    with pytest.raises(StorageError, match="doesn't answer") as raised:
        import_mlflow(f"http://me:hush@127.0.0.1:{free_port()}", store.destination)
    assert "hush" not in str(raised.value)
