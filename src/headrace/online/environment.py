"""LMDB environments: one per folder and process, shared by all who open it, growing when full, closed while a process forks."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from headrace.errors import IntegrityError, StorageError

__all__ = ["FIRST_MAP_SIZE", "Environment"]

T = TypeVar("T")

FIRST_MAP_SIZE = 64 << 30
"""Bytes of address space, not of disk: the file is as large as its content."""
DATA_FILE = "data.mdb"
READERS = 512

_DAMAGE = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError, lmdb.PanicError, lmdb.VersionMismatchError)

_open: dict[tuple[int, int], _Shared] = {}
_open_lock = threading.Lock()


class Environment:
    """A folder's LMDB environment. Any number may stand on one folder, in any number of threads and processes.

    Args:
        folder: made if it doesn't exist.
        map_size: bytes of address space to begin with; doubled whenever it is full.

    Raises:
        StorageError: the folder can't be made, read or written.
        IntegrityError: the files in it are damaged.
    """

    def __init__(self, folder: Path, map_size: int = FIRST_MAP_SIZE) -> None:
        self.folder = folder
        self._map_size = map_size
        self._shared = self._acquire()

    def close(self) -> None:
        """Give up this use of the folder; the last one closes the files."""
        with _open_lock:
            self._shared.users -= 1
            if self._shared.users == 0:
                del _open[self._shared.key]
                self._shared.close()

    def read(self, work: Callable[[Any], T]) -> T:
        """What `work` makes of a read transaction: all it sees is of one moment."""
        return self._run(work, write=False)

    def write(self, work: Callable[[Any], T]) -> T:
        """What `work` makes of a write transaction, which is on disk afterwards, or has changed nothing if this raises.

        `work` may run more than once.
        """
        return self._run(work, write=True)

    def _run(self, work: Callable[[Any], T], *, write: bool) -> T:
        shared = self._shared
        while True:
            try:
                with shared.transaction(write=write) as transaction:
                    return work(transaction)
            except lmdb.MapFullError:
                with self._explained():
                    shared.grow(double=True)
            except lmdb.MapResizedError:
                with self._explained():
                    shared.grow(double=False)
            except lmdb.Error as error:
                raise _explain(error, self.folder) from error

    def _acquire(self) -> _Shared:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            status = self.folder.stat()
        except OSError as error:
            msg = f"can't open the folder {self.folder}: {error.strerror}; check that it exists and may be written"
            raise StorageError(msg) from error
        key = (status.st_dev, status.st_ino)
        with _open_lock:
            shared = _open.get(key)
            if shared is None:
                with self._explained():
                    shared = _open[key] = _Shared(key, self.folder, self._map_size)
            shared.users += 1
            return shared

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except lmdb.Error as error:
            raise _explain(error, self.folder) from error


class _Shared:
    """One environment, and a gate that lets it be remapped or closed only while no transaction runs."""

    def __init__(self, key: tuple[int, int], folder: Path, map_size: int) -> None:
        self.key, self.users = key, 0
        self._folder, self._map_size = folder, map_size
        self._gate = threading.Condition()
        self._running = 0
        self._shut = False
        self._lmdb: Any = self._opened()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Any]:
        with self._gate:
            while self._shut:
                self._gate.wait()
            if self._lmdb is None:
                self._lmdb = self._opened()
            self._running += 1
        try:
            with self._lmdb.begin(write=write) as transaction:
                yield transaction
        finally:
            with self._gate:
                self._running -= 1
                if self._shut:
                    self._gate.notify_all()

    def grow(self, *, double: bool) -> None:
        """Double the map, unless another thread has just done so; or take over the size that another process gave it."""
        before = self._map_size
        self.shut()
        try:
            if self._lmdb is not None and (not double or self._map_size == before):
                self._lmdb.set_mapsize(2 * before if double else 0)
                self._map_size = self._lmdb.info()["map_size"]
        finally:
            self.let_in()

    def shut(self) -> None:
        """Let no transaction begin, and wait for those that run to end."""
        with self._gate:
            while self._shut:
                self._gate.wait()
            self._shut = True
            while self._running:
                self._gate.wait()

    def let_in(self) -> None:
        """Let transactions begin again."""
        with self._gate:
            self._shut = False
            self._gate.notify_all()

    def close(self) -> None:
        """Close the files; a transaction opens them again."""
        if self._lmdb is not None:
            self._lmdb.close()
            self._lmdb = None

    def renew(self) -> None:
        """In a forked child: forget the threads that it doesn't have."""
        self._gate = threading.Condition()
        self._shut = False

    def _opened(self) -> Any:
        # Without metasync a power cut may undo the newest transaction as a whole, its applied offsets with it, so it is
        # applied again from the log or the lake. It saves one of two syncs per commit.
        path, size = str(self._folder), self._map_size
        opened = lmdb.open(path, map_size=size, max_readers=READERS, readahead=False, metasync=False)
        try:
            _check_length(opened, self._folder / DATA_FILE)
            opened.reader_check()  # frees the slots of readers that were killed
        except (IntegrityError, lmdb.Error):
            opened.close()
            raise
        return opened


def _before_fork() -> None:
    # LMDB's files mustn't be open across a fork: parent and child open them anew.
    _open_lock.acquire()
    for shared in _open.values():
        shared.shut()
        shared.close()


def _after_fork_in_parent() -> None:
    for shared in _open.values():
        shared.let_in()
    _open_lock.release()


def _after_fork_in_child() -> None:
    for shared in _open.values():
        shared.renew()
    _open_lock.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def _check_length(environment: Any, file: Path) -> None:
    """Reading a page that a cut file doesn't hold kills the process, so look before."""
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    length = file.stat().st_size
    if length < needed:
        raise IntegrityError(_damaged(file.parent, f"{file.name} has {length} bytes of {needed}"))


def _explain(error: lmdb.Error, folder: Path) -> Exception:
    if isinstance(error, _DAMAGE):
        return IntegrityError(_damaged(folder, str(error)))
    reason = str(error)
    if re.search(os.strerror(errno.ENOSPC), reason):
        return StorageError(f"no space left on the disk of {folder}; free some and repeat the call, nothing was changed")
    return StorageError(f"can't use the online store in {folder}: {reason}; check that the folder may be written")


def _damaged(folder: Path, reason: str) -> str:
    return (
        f"the online store in {folder} is damaged ({reason}); everything in it comes from the lake and the event log: "
        "stop its users, delete the folder and run `headrace materialize` to rebuild it"
    )
