"""The state of the code: commit, branch, remote and what isn't committed."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from headrace.capture.redact import is_secret_file, redact_text, redact_url
from headrace.settings import STATE_FOLDER

__all__ = ["GitFacts", "capture_git"]

_TIMEOUT = 30.0
_LARGEST_FILE = 256 * 1024
_LARGEST_DIFF = 4 * 1024 * 1024
_MOST_FILES = 1000
_MADE = frozenset({STATE_FOLDER, "__pycache__"})
"""Folders of what running code makes beside itself, which is no change of the code."""
_QUIET = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "core.fsmonitor",
    "GIT_CONFIG_VALUE_0": "false",
    "LC_ALL": "C",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitFacts:
    """A repository at one moment.

    Attributes:
        root: its top folder.
        commit: 40 hex digits; empty before the first commit.
        branch: empty when detached.
        remote: URL of origin without credentials; empty if there is none.
        dirty: tracked files differ from the commit, or untracked ones exist that git doesn't ignore and Python didn't
            make.
        diff: a patch from the commit to the working tree, small untracked text files included. Bytes that aren't UTF-8 are
            kept in it as lone surrogates.
        skipped: paths left out of the patch: files that hold keys or secrets, large or binary untracked files, submodules
            with changes that aren't committed there.
        redacted: secrets were taken out of the patch, so it doesn't give the files back exactly.
    """

    root: str
    commit: str = ""
    branch: str = ""
    remote: str = ""
    dirty: bool = False
    diff: str = ""
    skipped: tuple[str, ...] = ()
    redacted: bool = False


def capture_git(folder: Path, timeout: float = _TIMEOUT) -> GitFacts | None:
    """The repository that holds the folder; None without git or outside of a repository. Nothing is written to it.

    Args:
        timeout: seconds that each git command may take; a slow one leaves its fact empty.
    """
    git = _Git(folder, timeout)
    root = git.text("rev-parse", "--show-toplevel")
    if not root:
        return None
    git = _Git(Path(root), timeout)
    commit = git.text("rev-parse", "--verify", "-q", "HEAD")
    changed = git.changed() if commit else git.paths("ls-files", "-z")
    untracked = git.untracked()
    patch, skipped = _patch(git, Path(root), changed if commit else [], untracked if commit else [*changed, *untracked])
    shown = redact_text(patch)
    return GitFacts(
        root=root,
        commit=commit,
        branch=git.text("symbolic-ref", "-q", "--short", "HEAD"),
        remote=redact_url(git.text("config", "--get", "remote.origin.url")),
        dirty=bool(changed or untracked),
        diff=shown,
        skipped=tuple(skipped),
        redacted=shown != patch,
    )


class _Git:
    """Runs git in one folder; a command that fails, or a machine without git, gives nothing."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self.folder = folder
        self.timeout = timeout

    def run(self, *arguments: str, stdin: str = "", errors: str = "replace") -> str:
        command = ["git", "--no-pager", "-C", str(self.folder), *arguments]
        inherited = {
            name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_EXTERNAL_DIFF")
        }
        try:
            done = subprocess.run(  # noqa: S603 - a fixed command, no shell
                command, input=stdin.encode(), capture_output=True, timeout=self.timeout, env={**inherited, **_QUIET}, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.decode("utf-8", errors) if done.returncode == 0 else ""

    def text(self, *arguments: str) -> str:
        return self.run(*arguments).strip()

    def paths(self, *arguments: str) -> list[str]:
        return [path for path in self.run(*arguments).split("\0") if path]

    def changed(self) -> list[str]:
        """Tracked paths that differ from the commit."""
        return self.paths("diff", "--name-only", "--no-renames", "-z", "HEAD", "--")

    def untracked(self) -> list[str]:
        """Paths that aren't tracked, without those that git ignores or running code makes."""
        found = self.paths("ls-files", "--others", "--exclude-standard", "-z")
        return [path for path in found if _MADE.isdisjoint(path.split("/"))]


def _patch(git: _Git, root: Path, changed: list[str], untracked: list[str]) -> tuple[str, list[str]]:
    """The patch and the paths left out of it."""
    secret = {path: None for path in (*changed, *untracked) if is_secret_file(path)}
    kept = [path for path in changed if path not in secret]
    options = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--binary", "--ignore-submodules=dirty")
    paths = [f":(literal){path}" for path in kept]
    patch = git.run("diff", *options, "HEAD", "--", *paths, errors="surrogateescape") if kept else ""
    modules = [(path, _Git(root / path, git.timeout)) for path in kept if (root / path / ".git").exists()]
    skipped = [*secret, *(path for path, module in modules if module.changed() or module.untracked())]
    if len(patch) > _LARGEST_DIFF:
        patch, skipped = "", [*skipped, *kept]
    for count, path in enumerate(untracked):
        full = count >= _MOST_FILES or len(patch) > _LARGEST_DIFF
        added = None if path in secret or full else _added_file(root, path)
        if added is not None:
            patch += added
        elif path not in secret:
            skipped.append(path)
    return patch, skipped


def _added_file(root: Path, path: str) -> str | None:
    """A patch that adds the file; None if it's large, binary, a link or unreadable."""
    file = root / path
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > _LARGEST_FILE:
            return None
        text = file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if "\0" in text or "\n" in path:
        return None
    *lines, rest = text.split("\n")
    body = "".join(f"+{line}\n" for line in lines)
    if rest:
        body += f"+{rest}\n\\ No newline at end of file\n"
    count = len(lines) + bool(rest)
    head = f"diff --git a/{path} b/{path}\nnew file mode 100644\n"
    return head + (f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{count} @@\n{body}" if count else "")
