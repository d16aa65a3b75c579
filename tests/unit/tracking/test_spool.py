"""What a writer keeps on disk until it is sent."""

from __future__ import annotations

import errno
import resource
from contextlib import contextmanager

import pytest

from headrace.tracking.client.spool import Spool

DIGEST = "ab" * 32


@contextmanager
def files_of_at_most(size):
    """A disk that takes no more of a file."""
    _, most = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def spool(tmp_path):
    opened = Spool(tmp_path / "run" / "writer", "run", "writer")
    yield opened
    opened.close()


@pytest.mark.parametrize("kind", ["bytes", "a file"])
def test_of_a_file_that_does_not_fit_nothing_stays(spool, tmp_path, kind):
    source = bytes(50_000)
    if kind == "a file":
        (tmp_path / "source").write_bytes(source)
        source = tmp_path / "source"
    with files_of_at_most(10_000), pytest.raises(OSError) as caught:
        spool.stage(DIGEST, source)
    assert caught.value.errno == errno.EFBIG
    assert list((spool.folder / "files").iterdir()) == []
    spool.stage(DIGEST, source)
    assert spool.staged(DIGEST).stat().st_size == 50_000


def test_entries_that_do_not_fit_wait_in_memory_and_are_sent_in_their_order(spool):
    spool.add("tags", {"n": "1"})
    with files_of_at_most(1):
        spool.add("tags", {"n": "2"})
        assert spool.fault.errno == errno.EFBIG
    spool.add("tags", {"n": "3"})
    assert spool.fault is None
    first = spool.batch()
    assert [body["n"] for _, _, body in first.entries] == ["1", "2", "3"]
    spool.add("tags", {"n": "4"})
    spool.acknowledge(first)
    assert [body["n"] for _, _, body in spool.batch().entries] == ["4"]


def test_what_was_acknowledged_out_of_memory_is_not_sent_again_from_disk(spool):
    with files_of_at_most(1):
        spool.add("tags", {"n": "1"})
        waiting = spool.batch()
    spool.add("tags", {"n": "2"})  # both are on disk now
    spool.acknowledge(waiting)
    assert [body["n"] for _, _, body in spool.batch().entries] == ["2"]


def test_what_a_killed_writer_left_is_read_up_to_a_frame_that_was_cut_off_or_changed(spool, tmp_path):
    for number in "123":
        spool.add("tags", {"n": number})
    folder = spool.folder
    spool.abandon()
    (segment,) = folder.glob("*.seg")
    whole = segment.read_bytes()
    for broken in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        segment.write_bytes(broken)
        left = Spool.left(folder)
        assert [body["n"] for _, _, body in left.batch().entries] == ["1", "2"]
        left.abandon()
