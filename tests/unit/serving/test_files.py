"""What is written under a name that a person gave is there whole or not at all, and puts nothing else out of its place."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from headrace.serving.files import whole_file


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("before")
    with pytest.raises(RuntimeError), whole_file(path) as place:
        place.write_text("half")
        raise RuntimeError
    assert (path.read_text(), list(tmp_path.iterdir())) == ("before", [path])
    with whole_file(path) as place:
        place.write_text("after")
        assert path.read_text() == "before"
    assert (path.read_text(), list(tmp_path.iterdir())) == ("after", [path])


def test_a_link_stays_one(tmp_path):
    link, path = tmp_path / "link.csv", tmp_path / "rows.csv"
    link.symlink_to(path)
    with whole_file(link) as place:
        place.write_text("rows")
    assert link.is_symlink()
    assert path.read_text() == "rows"


def test_what_is_no_file_is_written_to_and_stays(tmp_path):
    """As root a file that takes the place of /dev/null would stop half of the machine."""
    pipe, heard = tmp_path / "pipe.csv", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    with whole_file(pipe) as place:
        place.write_text("rows")
    reader.join()
    assert heard == ["rows"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
