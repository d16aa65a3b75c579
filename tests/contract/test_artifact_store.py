"""What every artifact store keeps: bytes under their hash, once, whole, verified."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import obstore
import pytest

from headrace.artifacts.objects import ObjectArtifactStore
from headrace.artifacts.places import place_of
from headrace.errors import IntegrityError, NotFoundError, SettingsError, StorageError

DATA = b"a model, more or less"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["folder", "bucket"])
def root(request, tmp_path):
    return str(tmp_path / "artifacts") if request.param == "folder" else request.getfixturevalue("bucket") + "/some/artifacts"


@pytest.fixture
def store(root):
    return ObjectArtifactStore(root)


def kept(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def keys(root):
    """The keys of all objects, whoever has put them there."""
    return sorted(item["path"] for page in obstore.list(place_of(root).store) for item in page)


def overwrite(root, key, data):
    obstore.put(place_of(root).store, key, data)


def test_bytes_come_back_under_their_hash(store):
    assert store.put_bytes(DATA) == DIGEST
    assert store.get_bytes(DIGEST) == DATA
    assert store.size(DIGEST) == len(DATA)


def test_empty_bytes_are_kept_too(store, tmp_path):
    digest = store.put_bytes(b"")
    assert store.get_bytes(digest) == b""
    store.get_file(digest, tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_file_a_stream_and_equal_bytes_are_kept_once(store, root, tmp_path):
    (tmp_path / "model").write_bytes(DATA)
    assert store.put_file(tmp_path / "model") == store.put_bytes(DATA) == DIGEST
    stored = store.put_stream(DATA[place : place + 5] for place in range(0, len(DATA), 5))
    assert (stored.digest, stored.size) == (DIGEST, len(DATA))
    assert keys(root) == [f"{DIGEST[:2]}/{DIGEST}"]


def test_a_stream_that_breaks_off_leaves_nothing(store, root):
    def torn():
        yield bytes(20_000_000)
        raise ConnectionResetError("the client hung up")

    with pytest.raises((StorageError, ConnectionResetError)):
        store.put_stream(torn())
    assert keys(root) == []


def test_a_part_of_the_bytes_can_be_read(store):
    store.put_bytes(DATA)
    assert b"".join(store.stream(DIGEST, 2, 7)) == DATA[2:7]
    assert b"".join(store.stream(DIGEST, 8)) == DATA[8:]
    assert b"".join(store.stream(DIGEST, 5, 1000)) == DATA[5:]
    assert b"".join(store.stream(DIGEST, 1000)) == b""


def test_equal_bytes_from_many_at_once_are_kept_once(store, root):
    data = bytes(range(256)) * 40_000
    digest = hashlib.sha256(data).hexdigest()
    found = []
    threads = [threading.Thread(target=lambda: found.append(store.put_stream([data]).digest)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [digest] * 6
    assert store.get_bytes(digest) == data
    assert keys(root) == [f"{digest[:2]}/{digest}"]


def test_a_bucket_gives_urls_to_fetch_from_and_a_folder_none(store, root):
    store.put_bytes(DATA)
    signed = store.sign(DIGEST, 60)
    if not root.startswith("s3://"):
        assert signed is None
        return
    with urllib.request.urlopen(signed.url, timeout=30) as answer:
        assert answer.read() == DATA


def test_a_file_comes_back_in_a_folder_that_did_not_exist(store, tmp_path):
    store.put_bytes(DATA)
    store.get_file(DIGEST, tmp_path / "new" / "model")
    assert kept(tmp_path / "new") == [tmp_path / "new" / "model"]
    assert (tmp_path / "new" / "model").read_bytes() == DATA


@pytest.mark.parametrize("digest", ["0" * 64, "../../etc/passwd", ""])
def test_what_is_not_there_is_said_so(store, digest, tmp_path):
    store.put_bytes(DATA)
    assert store.size(digest) is None
    with pytest.raises(NotFoundError):
        store.get_bytes(digest)
    with pytest.raises(NotFoundError):
        store.get_file(digest, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_reading_makes_no_folder(tmp_path):
    assert ObjectArtifactStore(tmp_path / "artifacts").size(DIGEST) is None
    assert not (tmp_path / "artifacts").exists()


def test_changed_bytes_are_found_and_no_file_appears(store, root, tmp_path):
    store.put_bytes(DATA)
    overwrite(root, f"{DIGEST[:2]}/{DIGEST}", DATA.upper())
    with pytest.raises(IntegrityError, match="restore"):
        store.get_bytes(DIGEST)
    with pytest.raises(IntegrityError):
        store.get_file(DIGEST, tmp_path / "out" / "model")
    assert kept(tmp_path / "out") == []


def test_who_streams_changed_bytes_never_gets_them_whole(store, root):
    data = bytes(3_000_000)
    digest = store.put_bytes(data)
    overwrite(root, f"{digest[:2]}/{digest}", b"x" + data[1:])
    got = []
    with pytest.raises(IntegrityError):
        got.extend(store.stream(digest))
    assert sum(map(len, got)) < len(data)


def test_torn_bytes_are_kept_anew_when_they_come_again(store, root):
    store.put_bytes(DATA)
    overwrite(root, f"{DIGEST[:2]}/{DIGEST}", DATA[:5])
    assert store.put_bytes(DATA) == DIGEST
    assert store.get_bytes(DIGEST) == DATA


def test_an_unusable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"):
        ObjectArtifactStore(tmp_path / "file").put_bytes(DATA)


def test_a_bucket_that_is_not_there_is_told_so(bucket):
    with pytest.raises(StorageError, match="no such bucket"):
        ObjectArtifactStore(f"{bucket}-not").put_bytes(DATA)


def test_places_that_hold_no_artifacts_are_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"'artifacts'.*s3://"):
        ObjectArtifactStore("ftp://host/folder")
    with pytest.raises(SettingsError, match=r"'artifacts'.*bucket"):
        ObjectArtifactStore("s3://")
    assert ObjectArtifactStore((tmp_path / "a b").as_uri()).put_bytes(DATA) == DIGEST
    assert (tmp_path / "a b").is_dir()


FULL = """
import resource, sys
from pathlib import Path
from headrace.artifacts.objects import ObjectArtifactStore
from headrace.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
store = ObjectArtifactStore(sys.argv[1])
try:
    store.put_bytes(bytes(1_000_000))
except StorageError as error:
    print(error)
print(store.put_bytes(b"small"))
"""


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    output = subprocess.run([sys.executable, "-c", FULL, tmp_path / "a"], capture_output=True, text=True, check=True).stdout
    assert "space on the disk" in output
    assert [path.name for path in kept(tmp_path / "a")] == [hashlib.sha256(b"small").hexdigest()]


def test_a_full_disk_of_the_machine_that_uploads_is_an_error(bucket, tmp_path):
    script = FULL.replace("store.put_bytes(bytes(1_000_000))", "store.put_stream([bytes(20_000_000)])")
    command, environment = [sys.executable, "-c", script, bucket], {**os.environ, "TMPDIR": str(tmp_path)}
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert "space on the disk" in output
    assert output.splitlines()[-1] == hashlib.sha256(b"small").hexdigest()
    assert keys(bucket) == [f"{output.splitlines()[-1][:2]}/{output.splitlines()[-1]}"]


LARGE = """
import resource, sys
from pathlib import Path
from headrace.artifacts.objects import ObjectArtifactStore
store = ObjectArtifactStore(sys.argv[1])
with open(sys.argv[2], "wb") as file:
    for place in range(160):
        file.write(place.to_bytes(2, "big") * 500_000)
store.put_bytes(b"warm")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
digest = store.put_file(Path(sys.argv[2]))
store.get_file(digest, Path(sys.argv[2] + ".back"))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_large_files_go_through_in_constant_memory(root, tmp_path):
    """160 MB there and back take less than 100 MB."""
    command = [sys.executable, "-c", LARGE, root, str(tmp_path / "big")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(output) < 100
    assert Path(tmp_path / "big.back").stat().st_size == 160_000_000
