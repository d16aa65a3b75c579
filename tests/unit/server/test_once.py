"""A request that bears a name is carried out once, across threads, processes and crashes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.errors import DefinitionError, NotFoundError, StorageError
from headrace.server.native import once
from headrace.server.native.once import Once


@pytest.fixture
def outcomes(tmp_path):
    return Once(tmp_path / "requests")


def test_a_repeat_gets_the_first_answer(outcomes):
    calls = []
    work = lambda: calls.append(1) or {"rows": len(calls)}
    assert [outcomes.carry_out("a", work, repeatable=False) for _ in range(3)] == [{"rows": 1}] * 3
    assert outcomes.carry_out("b", work, repeatable=False) == {"rows": 2}


@pytest.mark.parametrize("error", [NotFoundError("no such source"), DefinitionError(["one", "two"])])
def test_a_repeat_gets_the_first_error(outcomes, error):
    def work():
        raise error

    for attempt in (work, lambda: 1):
        with pytest.raises(type(error)) as caught:
            outcomes.carry_out("a", attempt, repeatable=True)
        assert str(caught.value) == str(error)


def test_threads_wait_for_whoever_is_at_it(outcomes):
    calls = []

    def work():
        calls.append(1)
        time.sleep(0.2)
        return len(calls)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: outcomes.carry_out("a", work, repeatable=False), range(8)))
    assert found == [1] * 8


def test_what_a_crash_left_half_done_is_told_or_done_again(tmp_path):
    code = "import os, pathlib, sys; from headrace.server.native.once import Once; "
    code += "Once(pathlib.Path(sys.argv[1])).carry_out('a', lambda: os._exit(9), repeatable=False)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "requests")], check=False).returncode == 9
    after = Once(tmp_path / "requests")
    with pytest.raises(StorageError, match="isn't known"):
        after.carry_out("a", lambda: 1, repeatable=False)
    assert after.carry_out("a", lambda: 1, repeatable=True) == 1
    assert after.carry_out("a", lambda: 2, repeatable=False) == 1


def test_a_fault_of_ours_is_not_kept_as_an_answer(outcomes):
    with pytest.raises(ZeroDivisionError):
        outcomes.carry_out("a", lambda: 1 / 0, repeatable=True)
    assert outcomes.carry_out("a", lambda: 1, repeatable=True) == 1


def test_old_outcomes_are_forgotten_and_work_under_way_is_not(outcomes, tmp_path, monkeypatch):
    outcomes.carry_out("old", lambda: 1, repeatable=False)
    folder = tmp_path / "requests"
    assert len(list(folder.iterdir())) >= 1
    for path in folder.iterdir():
        os.utime(path, (0, 0))

    def sweep():
        monkeypatch.setattr(once, "_SWEEP_SECONDS", -1.0)
        for path in folder.iterdir():
            os.utime(path, (0, 0))
        Once(folder).carry_out("other", lambda: 2, repeatable=False)
        mine = hashlib.sha256(b"slow").hexdigest()
        assert {mine, f"{mine}.lock"} <= {path.name for path in folder.iterdir()}
        return 3

    assert outcomes.carry_out("slow", sweep, repeatable=False) == 3
    assert outcomes.carry_out("slow", lambda: 4, repeatable=False) == 3
    assert outcomes.carry_out("old", lambda: 5, repeatable=False) == 5


def test_what_was_done_is_told_though_it_cannot_be_kept(outcomes, tmp_path):
    def work():
        shutil.rmtree(tmp_path / "requests")
        return 1

    assert outcomes.carry_out("a", work, repeatable=False) == 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "requests").touch()
    with pytest.raises(StorageError, match="requests"):
        Once(tmp_path / "requests").carry_out("a", lambda: 1, repeatable=False)
