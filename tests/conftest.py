"""What every test has: a machine of its own, as far as settings and files go."""

from __future__ import annotations

import functools
import os
import sys
import uuid
from contextlib import ExitStack, closing

import httpx
import pytest
from hypothesis import HealthCheck, settings

from leftovers import Leftovers
from waiting import PATIENCE

settings.register_profile("ci", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("ci")


def pytest_configure(config):
    config.pluginmanager.register(Leftovers())
    for part in ("connect", "read", "write", "pool"):  # five seconds by default; the product always says how long it waits
        setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, part, PATIENCE)
    httpx._transports.default.create_ssl_context = functools.cache(httpx.create_ssl_context)  # 20 ms each time otherwise


@pytest.fixture(autouse=True)
def _clean_settings(monkeypatch):
    """No setting of the person who runs the tests reaches them."""
    for name in os.environ:
        if name.startswith("HEADRACE_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def spark_engine():
    """A Spark engine on this machine, in a time zone far from UTC. Starting it takes seconds: all tests share one session."""
    from headrace.engines.duckdb import DuckDBEngine
    from headrace.engines.spark import SparkEngine
    from servers.spark import BRIEF

    engine = SparkEngine("local[2]", DuckDBEngine())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in BRIEF.items():
            patch.setenv(name, value)
        session = engine.cluster.session()
    session.sparkContext.setLogLevel("OFF")
    session.conf.set("spark.sql.session.timeZone", "Asia/Kathmandu")
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def _own_modules(tmp_path_factory):
    """What a project of tests made importable, and imported, is forgotten before and after each test."""
    made = str(tmp_path_factory.getbasetemp())

    def forget():
        sys.path[:] = [entry for entry in sys.path if not entry.startswith(made)]
        for name in sys.modules.copy().keys() - _others_modules:  # threads of servers import meanwhile
            if (getattr(sys.modules.get(name), "__file__", None) or "").startswith(made):
                sys.modules.pop(name, None)
            else:
                _others_modules.add(name)

    forget()
    yield
    forget()


_others_modules: set[str] = set()
"""Modules that are no test's own: thousands, looked at once."""


@pytest.fixture(scope="session")
def redis_url():
    """A Redis server that tests share: each takes a `?prefix=` of its own."""
    from servers.redis import redis_server

    with redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def redis_cluster_url():
    """A Redis cluster of three masters that tests share: each takes a `?prefix=` of its own."""
    from servers.redis import redis_cluster

    with redis_cluster() as url:
        yield url


@pytest.fixture(scope="session")
def kafka_url():
    """A Kafka broker that tests share: each takes topics of its own."""
    from servers.kafka import kafka_broker

    with kafka_broker() as url:
        yield url


@pytest.fixture(scope="session")
def s3_server():
    """An S3 server that tests share: each takes a bucket of its own."""
    from servers.s3 import S3Server

    with S3Server() as server:
        yield server


@pytest.fixture
def bucket(s3_server, monkeypatch, tmp_path):
    """The URL of an empty bucket, s3://NAME; the environment leads to it, in child processes too."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return s3_server.make_bucket(f"bucket-{tmp_path.name.replace('_', '-')}-{uuid.uuid4().hex[:8]}"[-60:].strip("-"))


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server that tests share: each takes a database of its own."""
    from servers.postgresql import PostgresServer

    with PostgresServer(durable=False) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request, tmp_path):
    """The URL of an empty catalog, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture(params=["embedded", "remote"])
def connect(request):
    """Opens a project as `hr.connect` does: by its directory, or through a server of it. Nobody must see a difference."""
    import headrace as hr

    with ExitStack() as stack:
        yield hr.connect if request.param == "embedded" else _through_servers(stack)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    """One server for many tests: it serves the store that a test puts into it."""
    import headrace as hr
    from servers.inside import Shared, serving

    shared = Shared()
    with hr.connect(tmp_path_factory.mktemp("shared")) as shared.store, serving(lambda: shared) as shared.url:
        yield shared


@pytest.fixture
def remote(shared_server, tmp_path):
    """Connects to a project of settings of its own through the shared server: remote(catalog=…) → Transport."""
    import headrace as hr
    from headrace.remote.transport import Transport

    with ExitStack() as stack:

        def open_project(**settings):
            project = tmp_path / "served"
            project.mkdir()
            text = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
            (project / "headrace.toml").write_text(text, encoding="utf-8")
            shared_server.store = stack.enter_context(hr.connect(project))
            return stack.enter_context(closing(Transport(shared_server.url)))

        yield open_project


def _through_servers(stack):
    import headrace as hr
    from servers.inside import served

    urls = {}

    def connect(folder, **options):
        if folder not in urls:
            urls[folder] = stack.enter_context(served(folder, **options))
        return hr.connect(urls[folder], **options)

    return connect
