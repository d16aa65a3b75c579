"""The state of the code."""

from __future__ import annotations

import subprocess

import pytest

from headrace.capture.git import capture_git


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "train.py").write_text("a = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def git(folder, *arguments):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_clean_repository_has_a_commit_and_no_diff(repository):
    facts = capture_git(repository)
    assert (facts.commit, facts.branch, facts.dirty, facts.diff) == (git(repository, "rev-parse", "HEAD"), "main", False, "")
    assert (facts.remote, facts.skipped, facts.redacted) == ("", (), False)


def test_the_remote_loses_its_credentials(repository):
    git(repository, "remote", "add", "origin", "https://me:hunter2@example.org/a.git")
    assert capture_git(repository).remote == "https://example.org/a.git"


def test_the_diff_gives_the_working_tree_back(repository, tmp_path):
    (repository / "train.py").write_text("a = 2\n")
    (repository / "sub").mkdir()
    (repository / "sub" / "new.py").write_text("b = 1\nc = 2")
    (repository / "empty.py").write_text("")
    facts = capture_git(repository / "sub")
    assert facts.dirty
    other = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), str(other))
    (tmp_path / "p.diff").write_text(facts.diff)
    git(other, "apply", str(tmp_path / "p.diff"))
    for path in ("train.py", "sub/new.py", "empty.py"):
        assert (other / path).read_bytes() == (repository / path).read_bytes()


def test_secret_large_and_binary_files_stay_out_of_the_diff(repository):
    (repository / ".env").write_text("A=hunter2")
    (repository / "server.pem").write_text("hunter2")
    (repository / "big.txt").write_text("x" * 300_000)
    (repository / "image.bin").write_bytes(b"\0\1\2\xff")
    facts = capture_git(repository)
    assert facts.dirty
    assert facts.diff == ""
    assert set(facts.skipped) == {".env", "server.pem", "big.txt", "image.bin"}


def test_a_tracked_secret_file_stays_out_too(repository):
    (repository / "secrets.yaml").write_text("a: 1\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second")
    (repository / "secrets.yaml").write_text("a: hunter2\n")
    facts = capture_git(repository)
    assert (facts.dirty, facts.diff, facts.skipped) == (True, "", ("secrets.yaml",))


def test_a_password_in_a_changed_line_is_taken_out(repository):
    (repository / "train.py").write_text("password = 'hunter2'\n")
    facts = capture_git(repository)
    assert facts.redacted
    assert "hunter2" not in facts.diff


def test_ignored_files_are_not_changes(repository):
    (repository / ".git" / "info" / "exclude").write_text("*.log\n")
    (repository / "x.log").write_text("x")
    assert not capture_git(repository).dirty


def test_what_python_makes_beside_the_code_is_no_change(repository):
    (repository / "jobs" / "__pycache__").mkdir(parents=True)
    (repository / "jobs" / "__pycache__" / "helper.cpython-311.pyc").write_bytes(b"\0\1")
    facts = capture_git(repository)
    assert (facts.dirty, facts.skipped) == (False, ())


def test_outside_of_a_repository_there_is_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert capture_git(tmp_path) is None
    assert capture_git(tmp_path / "missing") is None


def test_without_git_there_is_nothing(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert capture_git(repository) is None


def test_before_the_first_commit_all_files_are_the_diff(tmp_path):
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "train.py").write_text("a = 1\n")
    facts = capture_git(tmp_path)
    assert (facts.commit, facts.dirty) == ("", True)
    assert "+a = 1" in facts.diff


def test_a_detached_head_has_no_branch(repository):
    git(repository, "checkout", "-q", "--detach")
    assert capture_git(repository).branch == ""
