"""Collecting artifacts removes what nothing names and nobody is about to name, and nothing else."""

from __future__ import annotations

import functools
import hashlib
import time

import obstore
import pytest
from sklearn.linear_model import LinearRegression

import headrace as hr
from headrace.artifacts.garbage import collect
from headrace.artifacts.objects import ObjectArtifactStore
from headrace.artifacts.uploads import ObjectUploads
from headrace.errors import InvalidInputError
from servers.inside import serving

HOUR = 3_600_000_000
DAY = 24 * HOUR
A, B = b"named", b"not named"


@pytest.fixture(params=["folder", "bucket"])
def root(request, tmp_path):
    return str(tmp_path / "artifacts") if request.param == "folder" else request.getfixturevalue("bucket") + "/some/artifacts"


@pytest.fixture
def store(root):
    return ObjectArtifactStore(root)


def later(offset=2 * DAY):
    return lambda: time.time_ns() // 1000 + offset


def digest(data):
    return hashlib.sha256(data).hexdigest()


def gc(store, *named, clock=None, **options):
    return collect(store, lambda: {digest(data) for data in named}, clock or later(), DAY, **options)


def test_what_nothing_names_goes_and_the_rest_stays(store):
    store.put_bytes(A)
    store.put_bytes(B)
    told = gc(store, A, dry_run=True)
    assert store.size(digest(B)) == len(B)
    done = gc(store, A)
    assert done == told
    assert (done.files, done.bytes, done.kept, done.kept_bytes) == (1, len(B), 1, len(A))
    assert store.size(digest(B)) is None
    assert store.get_bytes(digest(A)) == A
    assert gc(store, A).files == 0


def test_what_was_handed_in_just_now_stays(store):
    store.put_bytes(B)
    assert gc(store, clock=later(0)).files == 0
    assert store.get_bytes(digest(B)) == B


def test_an_hour_is_the_least(store):
    with pytest.raises(InvalidInputError, match="hour"):
        collect(store, set, later(), HOUR - 1)


def test_old_bytes_that_come_again_stay_until_they_are_named(root, store):
    """They are kept already, so nothing is written but a lease: the collection has to see it."""
    store.put_bytes(B)
    ObjectArtifactStore(root, later(2 * DAY)).put_bytes(B)  # for this machine's clock, the bytes are two days old
    (lease,) = [item for page in obstore.list(store.place.store, "leases") for item in page]
    assert lease["path"].endswith(digest(B))
    before = int(lease["last_modified"].timestamp() * 1e6)
    assert store.touched(digest(B)) == before
    assert collect(store, set, lambda: before + DAY, DAY).files == 0
    assert store.get_bytes(digest(B)) == B


class Meanwhile(ObjectArtifactStore):
    """A store in which something happens right after a file was put out of reach."""

    def __init__(self, root, act):
        super().__init__(root)
        self.act = act

    def condemn(self, name):
        super().condemn(name)
        self.act()


def test_a_file_that_is_named_meanwhile_comes_back(root, store):
    store.put_bytes(B)
    names = set()
    done = collect(Meanwhile(root, lambda: names.add(digest(B))), lambda: set(names), later(), DAY)
    assert done.files == 0
    assert store.get_bytes(digest(B)) == B


def test_a_file_that_is_handed_in_meanwhile_stays(root, store):
    store.put_bytes(B)
    collect(Meanwhile(root, lambda: store.put_bytes(B)), set, later(), DAY)
    assert ObjectArtifactStore(root).get_bytes(digest(B)) == B


class Killed(BaseException):
    pass


def test_a_collection_that_died_loses_nothing_that_is_named_later(root, store):
    store.put_bytes(A)
    store.put_bytes(B)

    def die():
        raise Killed

    with pytest.raises(Killed):
        collect(Meanwhile(root, die), set, later(), DAY)
    assert len(list(store.condemned())) == 1
    assert {store.get_bytes(digest(data)) for data in (A, B)} == {A, B}


def test_the_next_collection_ends_what_one_that_died_has_begun(root, store):
    store.put_bytes(A)
    store.put_bytes(B)
    store.condemn(digest(A))
    store.condemn(digest(B))
    gc(store, A)
    assert list(store.condemned()) == []
    assert [item.digest for item in store.held()] == [digest(A)]


def test_uploads_that_never_ended_go_and_those_under_way_stay(store):
    uploads = ObjectUploads(store, store.place)
    upload = uploads.begin("x")
    uploads.put_part(upload, 1, [b"12345"])
    assert gc(store, clock=later(0)).leftovers == 0
    assert [part.size for part in uploads.parts(upload)] == [5]
    assert gc(store, dry_run=True).leftovers == 6
    assert gc(store).leftovers == 6
    assert list(obstore.list(store.place.store, "uploads").collect()) == []


def test_a_project_keeps_what_runs_models_and_versions_name(tmp_path, monkeypatch):
    monkeypatch.setattr("headrace.artifacts.objects._FRESH", 0)
    now = time.time_ns() // 1000
    with hr.connect(tmp_path, clock=lambda: now) as store:
        with store.start_run(capture=False) as run:
            run.log_text("note.txt", A.decode())
            model = run.log_model(LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]), "model")
        store.models.register(model, "lines")
        store.runs.delete(run.id)
        store.artifacts.files.put_bytes(B)
    later = functools.partial(hr.connect, tmp_path, clock=lambda: now + 8 * DAY)
    with serving(later) as url, hr.connect(url) as store:
        assert store.collect_artifacts(dry_run=True).files == 1
        with pytest.raises(hr.InvalidInputError, match="less than an hour"):
            store.collect_artifacts(older_than="1m")
        done = store.collect_artifacts(older_than="7d")
        assert (done.files, done.bytes) == (1, len(B))
        assert store.runs.read_artifact(run.id, "note.txt") == A
        assert store.models.load("models:/lines/1").predict([[3.0]])[0] == pytest.approx(3.0)
