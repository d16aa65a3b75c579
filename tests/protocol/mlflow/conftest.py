"""A server with an empty project, and the ways of asking it."""

from __future__ import annotations

import httpx
import pytest

from servers.headrace import headrace_server

API = "/api/2.0/mlflow/"


class Asking:
    """Asks one server in MLflow's protocol.

    Attributes:
        url: the server's address.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=60)

    def post(self, path, **body):
        return self.client.post(API + path, json=body)

    def get(self, path, **query):
        return self.client.get(API + path, params=query)

    def run(self, **body):
        """The id of a new run."""
        made = self.post("runs/create", experiment_id="0", **body)
        assert made.status_code == 200, made.text
        return made.json()["run"]["info"]["run_id"]

    def state(self, run_id):
        """A run as it is now."""
        return self.get("runs/get", run_id=run_id).json()["run"]


@pytest.fixture(scope="session")
def tracking_url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracking")
    (folder / "headrace.toml").touch()
    with headrace_server(folder) as url:
        yield url


@pytest.fixture(scope="session")
def ask(tracking_url):
    asking = Asking(tracking_url)
    yield asking
    asking.client.close()
