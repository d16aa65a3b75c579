"""Requests to a server: one pool of connections, repeats that double nothing, and errors that are what they would be here."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from headrace.errors import HeadraceError, InvalidInputError, SettingsError, StorageError
from headrace.ids import new_id
from headrace.progress import Progress, silent
from headrace.wire import frames
from headrace.wire.problems import error_from
from headrace.wire.values import KEY_HEADER, MSGPACK, REVISION_HEADER, WIRE, pack, unpack

if TYPE_CHECKING:
    import httpx
    import pyarrow as pa

__all__ = ["Transport"]

ATTEMPTS = 5
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
CONNECT_SECONDS, SILENT_SECONDS = 5.0, 60.0
"""A server that works says so every few seconds; one that was silent for so long is gone."""
CONNECTIONS = 100
_BUSY = (429, 502, 503, 504)
"""Statuses that a proxy gives for a server that isn't there, and the server while it has too much to do."""
_PREFIX = "/api/v1/store"
_SHOWN = 200
_preparing = threading.Lock()
"""Held while modules are imported for the first connection, often in a thread behind a run. A fork waits for it: what another
thread is importing at that moment can never be imported in the child."""


class _AgainError(Exception):
    """An attempt failed in a way that another may not; holds the reason and the error to raise if none works."""

    def __init__(self, error: HeadraceError) -> None:
        super().__init__(str(error))
        self.error = error


class Transport:
    """Speaks to the server at an address. Safe to use from many threads, and after a fork.

    Attributes:
        revision: the newest revision of the catalog that was seen; whichever worker answers has seen it too.

    Every call may be repeated: those that change something bear a name of their own, by which the server knows a repeat. So a
    cut connection, a proxy that sends a request twice or a server that restarts neither loses nor doubles anything.

    Args:
        url: `http://host:5000`, perhaps with a path before the API's.
        silent_seconds: how long a connection may say nothing.
        attempts: how often a request is sent before the error is raised.

    Raises:
        SettingsError: the URL isn't one of a server.
    """

    def __init__(self, url: str, *, silent_seconds: float = SILENT_SECONDS, attempts: int = ATTEMPTS) -> None:
        self._base = _checked(url)
        self.url = _without_password(self._base)
        self._silent_seconds = silent_seconds
        self._attempts = attempts
        self._client: tuple[int, httpx.Client] | None = None
        self._greeted = False
        self._others: list[Transport] = []
        self.revision = 0

    def hasty(self, silent_seconds: float) -> Transport:
        """Another one to the same server, with connections of its own, that tries once and waits less: for those who come back
        by themselves."""
        made = Transport(self._base, silent_seconds=silent_seconds, attempts=1)
        self._others.append(made)
        return made

    def call(self, verb: str, arguments: Mapping[str, Any], *, changes: bool = False) -> Any:
        """Ask for something that takes milliseconds; returns its plain values.

        Args:
            changes: whether it changes something, so that it must not happen twice.

        Raises:
            HeadraceError: what the server refused it with; StorageError if there is no answer.
        """
        body, headers = pack(arguments), {"Content-Type": MSGPACK, **self._named(changes=changes)}

        def attempt() -> Any:
            response = self._http.post(f"{self._base}{_PREFIX}/{verb}", content=body, headers=headers)
            self._refuse(response, MSGPACK)
            return unpack(response.content)

        return self._repeated(attempt)

    def work(
        self,
        verb: str,
        arguments: Mapping[str, Any],
        table: pa.Table | None = None,
        *,
        changes: bool = False,
        progress: Progress = silent,
    ) -> tuple[Any, pa.Table | None]:
        """Ask for something that may take long, or that takes or gives a table; returns plain values and the table.

        Raises:
            HeadraceError: what the server refused it with; StorageError if there is no answer.
        """
        headers = {"Content-Type": frames.FRAMES, **self._named(changes=changes)}

        def attempt() -> tuple[Any, pa.Table | None]:
            parts = _request(arguments, table)
            with self._http.stream("POST", f"{self._base}{_PREFIX}/{verb}", content=parts, headers=headers) as response:
                if _media_type(response) != frames.FRAMES:
                    response.read()
                self._refuse(response, frames.FRAMES)
                return self._received(response, progress)

        found: tuple[Any, pa.Table | None] = self._repeated(attempt)
        return found

    def close(self) -> None:
        """Close the connections, also those of hasty ones."""
        for other in self._others:
            other.close()
        with _preparing:
            if self._client is not None and self._client[0] == os.getpid():
                self._client[1].close()
            self._client = None

    @property
    def _http(self) -> httpx.Client:
        """This process's connections: a child can't share its parent's."""
        held = self._client
        if held is None or held[0] != os.getpid():
            with _preparing:
                import encodings.idna  # noqa: F401 - otherwise imported when the first name is looked up, without the lock

                import httpx

                timeout = httpx.Timeout(self._silent_seconds, connect=CONNECT_SECONDS)
                limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=20.0)
                told = {"User-Agent": f"headrace/{version('headrace')}", **_identity()}
                tls = self._base.startswith("https:")  # reading whom to trust takes 20 ms, and over http nobody is asked
                self._client = held = os.getpid(), httpx.Client(timeout=timeout, limits=limits, headers=told, verify=tls)
        return held[1]

    def _named(self, *, changes: bool) -> dict[str, str]:
        self._greet()
        seen = {REVISION_HEADER: str(self.revision)}
        return {**seen, KEY_HEADER: new_id()} if changes else seen

    def _greet(self) -> None:
        """Make sure once that a server is there, and that it speaks what this release speaks."""
        if self._greeted:
            return

        def attempt() -> Any:
            response = self._http.get(f"{self._base}{_PREFIX}")
            if response.status_code == 404:
                raise self._stranger(response, "it is no Headrace server, an older one, or served under another path")
            self._refuse(response, MSGPACK)
            return unpack(response.content)

        found = self._repeated(attempt)
        theirs, ours = found["wire"], WIRE
        if theirs != ours:
            age, mend = ("newer", "upgrade headrace here") if theirs > ours else ("older", "upgrade the server")
            msg = (
                f"the server at {self.url} is {age} than this client (headrace {found['release']} there, {version('headrace')} "
                f"here) and speaks differently: {mend}, or install headrace=={found['release']} here"
            )
            raise StorageError(msg)
        self._greeted = True

    def _repeated(self, attempt: Callable[[], Any]) -> Any:
        """What `attempt` returns, tried again for as long as the server isn't there or the connection fails."""
        with _preparing:
            import httpx

        pause = FIRST_PAUSE
        for left in range(self._attempts, 0, -1):
            try:
                return attempt()
            except _AgainError as failure:
                error: HeadraceError = failure.error
                cause: BaseException | None = None
            except httpx.TransportError as failure:
                error, cause = self._unreachable(failure), failure
            except httpx.HTTPError as failure:
                raise self._unreachable(failure) from failure
            if left == 1:
                raise error from cause
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that many clients don't come back at once
            pause = min(pause * 3, LONGEST_PAUSE)
        raise AssertionError

    def _received(self, response: httpx.Response, progress: Progress) -> tuple[Any, pa.Table | None]:
        parser, table = frames.Parser(), frames.TableReader()
        result: tuple[Any] | None = None
        problem: bytes | None = None
        try:
            for data in response.iter_bytes():
                for kind, content in parser.feed(data):
                    if kind == frames.TABLE:
                        table.add(content)
                    elif kind == frames.PROGRESS:
                        self._show(unpack(content), progress)
                    elif kind == frames.PROBLEM:
                        problem = bytes(content)
                    else:
                        result = (unpack(content),)
            found = table.table() if result is not None else None
        except InvalidInputError as error:
            raise self._stranger(response, str(error)) from error
        if problem is not None:
            raise self._problem(problem) or self._stranger(response, "its error can't be read")
        if result is None:
            msg = f"the answer of the server at {self.url} was cut off; try again"
            raise _AgainError(StorageError(msg))
        return result[0], found

    @staticmethod
    def _show(told: Any, progress: Progress) -> None:
        for title, done, total in told:
            progress(title, done, total)

    def _refuse(self, response: httpx.Response, wanted: str) -> None:
        """Raise what the server refused a call with, unless it answered it."""
        if response.status_code < 400:
            if _media_type(response) != wanted:
                raise self._stranger(response, "a proxy or another program answers there")
            return
        error = self._problem(response.content) if _media_type(response) == "application/problem+json" else None
        if error is not None and not _is_busy(response):
            raise error
        if response.status_code in _BUSY:
            raise _AgainError(error or self._stranger(response, "the server behind it may be down"))
        raise error or self._stranger(response, "a proxy or another program answers there")

    def _problem(self, content: bytes) -> HeadraceError | None:
        """The error that a problem document tells; None if it isn't one."""
        try:
            found = json.loads(content)
            name, detail, status = str(found["type"]).rpartition(":")[2], str(found["detail"]), int(found["status"])
            error = error_from({**found, "error": name, "detail": detail})
        except (ValueError, KeyError, TypeError):
            return None
        if error is not None:
            return error
        kind = InvalidInputError if 400 <= status < 500 else StorageError
        return kind(f"the server at {self.url}: {found.get('title', 'error')}: {detail}")

    def _unreachable(self, error: Exception) -> StorageError:
        reason = str(error) or type(error).__name__
        return StorageError(
            f"the Headrace server at {self.url} can't be reached ({reason}); check the address, and that it runs: headrace server"
        )

    def _stranger(self, response: httpx.Response, guess: str) -> StorageError:
        text = " ".join(response.content[: 4 * _SHOWN].decode("utf-8", "replace").split())[:_SHOWN] if response.is_closed else ""
        kind = _media_type(response) or "nothing"
        return StorageError(
            f"{self.url} answered with status {response.status_code} and {kind}, not as a Headrace server does; "
            f"{guess}. Check the address.{f' It said: {text}' if text else ''}"
        )


def _request(arguments: Mapping[str, Any], table: pa.Table | None) -> Iterator[bytes]:
    yield frames.part(frames.ARGUMENTS, pack(arguments))
    if table is not None:
        yield from frames.table_parts(table)


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _is_busy(response: httpx.Response) -> bool:
    """Whether the server had too much to do to begin with the request."""
    return response.status_code in _BUSY and b":BusyError" in response.content


def _identity() -> dict[str, str]:
    """The token of HEADRACE_TOKEN as a header; an address with a user and a password says who asks by itself."""
    token = os.environ.get("HEADRACE_TOKEN", "").strip()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _checked(url: str) -> str:
    parts = urlsplit(url)
    try:
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = None
    if not fine or parts.query or parts.fragment:
        msg = f"{url!r} isn't a server's address; write for example http://features.example.com:5000"
        raise SettingsError(msg)
    return url.rstrip("/")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_preparing.acquire, after_in_parent=_preparing.release, after_in_child=_preparing.release)
