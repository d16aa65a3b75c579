"""A tracking service over real stores."""

from __future__ import annotations

import pytest

from headrace.artifacts.objects import ObjectArtifactStore
from headrace.remote.tracking import WrittenThere, remote_tracking
from headrace.remote.tracking_artifacts import RemoteArtifactStore
from headrace.remote.tracking_journal import RemoteJournal
from headrace.sql.database import Database
from headrace.sql.lineage import SqlLineageStore
from headrace.sql.tracking import tracking_stores
from headrace.tracking.service import Runs


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield database
    database.close()


@pytest.fixture
def lineage(database):
    return SqlLineageStore(database)


def pin(reference):
    return f"{reference.partition(':')[0]}:3", {"a": "float64"}


@pytest.fixture(params=["embedded", "remote"])
def runs(request, remote, database, lineage, tmp_path):
    here = Runs(
        tracking_stores(database),
        ObjectArtifactStore(tmp_path / "artifacts"),
        lineage,
        resolve_view=pin,
        spool=tmp_path / "spool",
    )
    if request.param == "embedded":
        yield here
        here.close()
        return
    transport = remote(catalog=f"sqlite:///{tmp_path / 'catalog.db'}", artifacts=tmp_path / "artifacts")
    there = Runs(
        remote_tracking(transport),
        RemoteArtifactStore(transport),
        WrittenThere(),
        resolve_view=pin,
        sink=RemoteJournal(transport),
        spool=tmp_path / "spool",
        server=transport.url,
        stages=True,
    )
    yield there
    there.close()
