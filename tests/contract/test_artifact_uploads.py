"""What every artifact store's uploads in parts keep: any order, again, cut off, at once."""

from __future__ import annotations

import hashlib
import threading
import urllib.request

import obstore
import pytest

from headrace.artifacts.objects import ObjectArtifactStore
from headrace.artifacts.uploads import ObjectUploads
from headrace.errors import InvalidInputError, NotFoundError

PARTS = [b"a" * 1000, b"b" * 2000, b"c"]
WHOLE = hashlib.sha256(b"".join(PARTS)).hexdigest()


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    root = str(tmp_path / "artifacts") if request.param == "folder" else request.getfixturevalue("bucket") + "/some/artifacts"
    return ObjectArtifactStore(root)


@pytest.fixture
def uploads(store):
    return ObjectUploads(store, store.place)


def send(uploads, upload, numbers=(1, 2, 3)):
    return [(number, uploads.put_part(upload, number, [PARTS[number - 1]]).etag) for number in numbers]


def under_uploads(store):
    return [item["path"].rpartition("/")[2] for page in obstore.list(store.place.store, "uploads") for item in page]


def test_parts_in_any_order_become_the_whole_and_leave_nothing(store, uploads):
    upload = uploads.begin("run/model")
    stored = uploads.complete(upload, "run/model", send(uploads, upload, (3, 1, 2)))
    assert (stored.digest, stored.size) == (WHOLE, 3001)
    assert store.get_bytes(WHOLE) == b"".join(PARTS)
    assert sorted(under_uploads(store)) == ["about", "done"]


def test_a_client_that_was_cut_off_sends_what_is_missing(uploads):
    upload = uploads.begin("x")
    send(uploads, upload, (1, 3))
    held = uploads.parts(upload)
    assert [(part.number, part.size) for part in held] == [(1, 1000), (3, 1)]
    rest = send(uploads, upload, (2,))
    assert uploads.complete(upload, "x", [*((part.number, part.etag) for part in held), *rest]).digest == WHOLE


def test_completing_again_or_at_once_gives_the_same_answer(store, uploads):
    upload = uploads.begin("x")
    parts = send(uploads, upload)
    found = []
    threads = [threading.Thread(target=lambda: found.append(uploads.complete(upload, "x", parts).digest)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [WHOLE] * 4
    assert uploads.complete(upload, "x", parts).digest == WHOLE


def test_what_does_not_fit_is_refused_and_the_upload_stays_open(store, uploads):
    upload = uploads.begin("x")
    parts = send(uploads, upload, (1, 2))
    with pytest.raises(InvalidInputError, match="part 3"):
        uploads.complete(upload, "x", [*parts, (3, "abc")])
    with pytest.raises(InvalidInputError, match="other bytes"):
        uploads.complete(upload, "x", [(1, parts[0][1]), (2, "abc")])
    with pytest.raises(InvalidInputError, match="something else"):
        uploads.complete(upload, "y", parts)
    with pytest.raises(InvalidInputError, match="no parts"):
        uploads.complete(upload, "x", [])
    for number in (0, -1, 10_001):
        with pytest.raises(InvalidInputError, match="numbers"):
            uploads.put_part(upload, number, [b""])
    assert list(store.held()) == []
    assert uploads.complete(upload, "x", [*parts, *send(uploads, upload, (3,))]).digest == WHOLE


@pytest.mark.parametrize("upload", ["0" * 32, "../../x", "", "about"])
def test_an_upload_that_is_not_there_is_said_so(uploads, upload):
    for act in (
        lambda: uploads.put_part(upload, 1, [b"x"]),
        lambda: uploads.parts(upload),
        lambda: uploads.complete(upload, "x", [(1, "e")]),
    ):
        with pytest.raises(NotFoundError, match="begin another"):
            act()
    uploads.abort(upload)


def test_an_aborted_upload_is_gone(store, uploads):
    upload = uploads.begin("x")
    send(uploads, upload)
    uploads.abort(upload)
    assert under_uploads(store) == []
    with pytest.raises(NotFoundError):
        uploads.parts(upload)


def test_a_bucket_takes_parts_from_the_client_itself(store, uploads):
    upload = uploads.begin("x")
    signed = uploads.sign_part(upload, 1, 60)
    if not store.place.url.startswith("s3://"):
        assert signed is None
        return
    etags = []
    for number, data in enumerate(PARTS, 1):
        url = uploads.sign_part(upload, number, 60).url
        request = urllib.request.Request(url, data, {"Content-Type": "application/octet-stream"}, method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            etags.append(answer.headers["ETag"])
    assert uploads.complete(upload, "x", list(enumerate(etags, 1))).digest == WHOLE
