"""Frames that are written anew while somebody else is at them."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest

from headrace.lake.folder import Folder
from headrace.lake.kept import KeptFrames

FIRST, SECOND, THIRD = (pa.table({"n": [number]}) for number in (1, 2, 3))


@pytest.fixture
def frames(tmp_path):
    return KeptFrames(Folder(tmp_path))


class Meanwhile(Folder):
    """A folder in which another process writes the frame anew after a step."""

    def __init__(self, root, step):
        super().__init__(root)
        self._step = step

    def under(self, name):
        return Meanwhile(self.root / name, self._step)

    def publish(self, file, path):
        size = super().publish(file, path)
        self._after(path.endswith(".parquet") and "its bytes are written")
        return size

    def get(self, path):
        found = super().get(path)
        self._after(path == "SHA256" and "its hash is read")
        return found

    def _after(self, step):
        if step == self._step:
            KeptFrames(Folder(self.root.parent)).write("f", SECOND)


def test_who_reads_a_frame_that_is_replaced_gets_what_it_was(frames, tmp_path):
    frames.write("f", FIRST)
    assert KeptFrames(Meanwhile(tmp_path, "its hash is read")).read("f") == FIRST
    assert frames.read("f") == SECOND


def test_of_two_who_write_a_frame_at_once_the_last_one_is_kept(frames, tmp_path):
    KeptFrames(Meanwhile(tmp_path, "its bytes are written")).write("f", FIRST)
    assert frames.read("f") == FIRST


def test_what_was_replaced_long_ago_goes(frames, tmp_path):
    frames.write("f", FIRST)
    for file in (tmp_path / "f").iterdir():
        os.utime(file, (0, 0))
    frames.write("f", SECOND)
    frames.write("f", THIRD)
    assert len(list((tmp_path / "f").glob("*.parquet"))) == 2
    assert frames.read("f") == THIRD
