"""What every artifact store keeps: bytes under their hash, once, whole, verified."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.artifacts.objects import ObjectArtifactStore
from headrace.errors import IntegrityError, NotFoundError, SettingsError, StorageError

DATA = b"a model, more or less"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=[ObjectArtifactStore], ids=["objects"])
def store(request, tmp_path):
    return request.param(tmp_path / "artifacts")


def kept(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_bytes_come_back_under_their_hash(store):
    assert store.put_bytes(DATA) == DIGEST
    assert store.get_bytes(DIGEST) == DATA
    assert store.size(DIGEST) == len(DATA)


def test_empty_bytes_are_kept_too(store, tmp_path):
    digest = store.put_bytes(b"")
    assert store.get_bytes(digest) == b""
    store.get_file(digest, tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_file_and_equal_bytes_are_kept_once(store, tmp_path):
    (tmp_path / "model").write_bytes(DATA)
    assert store.put_file(tmp_path / "model") == store.put_bytes(DATA) == DIGEST
    assert len(kept(tmp_path / "artifacts")) == 1


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


def test_reading_makes_no_folder(store, tmp_path):
    assert store.size(DIGEST) is None
    assert not (tmp_path / "artifacts").exists()


def test_changed_bytes_are_found_and_no_file_appears(store, tmp_path):
    store.put_bytes(DATA)
    kept(tmp_path / "artifacts")[0].write_bytes(DATA.upper())
    with pytest.raises(IntegrityError, match="restore"):
        store.get_bytes(DIGEST)
    with pytest.raises(IntegrityError):
        store.get_file(DIGEST, tmp_path / "out" / "model")
    assert kept(tmp_path / "out") == []


def test_an_unusable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"):
        ObjectArtifactStore(tmp_path / "file").put_bytes(DATA)


def test_only_local_folders_are_taken(tmp_path):
    with pytest.raises(SettingsError, match="s3://bucket"):
        ObjectArtifactStore("s3://bucket")
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
    assert [path.name for path in kept(tmp_path / "a") if path.parent.name != "staging"] == [hashlib.sha256(b"small").hexdigest()]


LARGE = """
import resource, sys
from pathlib import Path
from headrace.artifacts.objects import ObjectArtifactStore
store = ObjectArtifactStore(sys.argv[1])
with open(sys.argv[2], "wb") as file:
    for place in range(300):
        file.write(place.to_bytes(2, "big") * 500_000)
store.put_bytes(b"warm")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
digest = store.put_file(Path(sys.argv[2]))
store.get_file(digest, Path(sys.argv[2] + ".back"))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_large_files_go_through_in_constant_memory(tmp_path):
    """300 MB there and back take less than 150 MB."""
    command = [sys.executable, "-c", LARGE, str(tmp_path / "a"), str(tmp_path / "big")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(output) < 150
    assert Path(tmp_path / "big.back").stat().st_size == 300_000_000
