"""A lake's files in an object store: the one place where a URL becomes a connection, for `obstore` and for `deltalake`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pyarrow as pa

from headrace.errors import SettingsError
from headrace.lake.cache import FileCache
from headrace.lake.faults import reading
from headrace.lake.place import Stored

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["SCHEMES", "Bucket"]

SCHEMES = MappingProxyType({"s3": "aws_", "gs": "google_", "az": "azure_"})
"""The schemes of URLs that name a bucket, and how the settings of each are prefixed."""
_CLIENT = frozenset(
    {"allow_http", "allow_invalid_certificates", "connect_timeout", "http1_only", "http2_only", "pool_idle_timeout"}
    | {"proxy_url", "proxy_ca_certificate", "proxy_excludes", "root_certificate", "timeout", "user_agent"}
)
_RETRY = frozenset({"max_retries", "retry_timeout"})
_DEFAULTS = {"max_retries": "8", "retry_timeout": "120", "timeout": "300s"}  # some 25 s of trying again; large files take time
_S3_DEFAULTS = {"conditional_put": "etag"}  # commits are atomic without a lock service


@dataclass(frozen=True)
class Bucket:
    """A prefix of a bucket. Credentials and endpoint come from the environment (AWS_*, GOOGLE_*, AZURE_*) or the URL's query.

    It can be pickled: whoever loads it connects with the environment there.

    Attributes:
        url: without the query.
        query: the query's settings, as `obstore` names them.
        cache: what fetched files are kept in.
    """

    url: str
    query: tuple[tuple[str, str], ...] = field(repr=False)  # there may be a secret in it
    cache: FileCache

    @classmethod
    def at(cls, url: str, cache: FileCache) -> Bucket:
        """The bucket that a URL names: `s3://bucket/prefix?region=eu-west-1`.

        Raises:
            SettingsError: the URL names no bucket, or a setting that doesn't exist.
        """
        parts = urlsplit(url)
        shown = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
        if not parts.netloc or parts.fragment:
            msg = f"setting 'lake' is {shown!r}, which names no bucket: give for example '{parts.scheme}://bucket/prefix'"
            raise SettingsError(msg)
        defaults = _DEFAULTS | (_S3_DEFAULTS if parts.scheme == "s3" else {})
        made = cls(shown, tuple((defaults | dict(parse_qsl(parts.query))).items()), cache)
        made._store  # noqa: B018 - so that a wrong setting shows now
        return made

    @property
    def options(self) -> dict[str, str]:
        """The settings as `deltalake` names them."""
        prefix = SCHEMES[urlsplit(self.url).scheme]
        named = {name if name in _CLIENT | _RETRY else prefix + name.removeprefix(prefix): value for name, value in self.query}
        return named | {"retry_timeout": f"{named['retry_timeout']}s"}

    def under(self, name: str) -> Bucket:
        """The prefix of this name below this one."""
        return replace(self, url=f"{self.url}/{quote(name)}")

    def names(self, paths: Iterable[str]) -> list[str]:
        """The files' URLs."""
        return [f"{self.url}/{quote(path, safe='/=')}" for path in paths]

    def fetch(self, names: Sequence[str]) -> Sequence[str]:
        """Paths of copies in the cache. Files never change, so a copy is as good as the file."""
        start = len(self.names([""])[0])
        with reading(f"the lake at {self.url}"):
            return self.cache.fetch(self._store, {name: unquote(name[start:]) for name in names})

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A temporary folder of this machine."""
        with tempfile.TemporaryDirectory(prefix="headrace-staging-") as folder:
            yield Path(folder)

    def publish(self, file: Path, path: str) -> int:
        """Upload a staged file, in several parts if it is large; it appears whole or not at all. Returns its size in bytes."""
        import obstore

        obstore.put(self._store, path, file)
        return file.stat().st_size

    def get(self, path: str) -> pa.Buffer:
        """The bytes of a file. Raises FileNotFoundError."""
        import obstore

        return pa.py_buffer(obstore.get(self._store, path).bytes())

    def list(self, path: str = "") -> Iterator[Stored]:
        """The files below a path, in any order."""
        import obstore

        for page in obstore.list(self._store, path or None):
            for found in page:
                yield Stored(found["path"], found["size"], int(found["last_modified"].timestamp() * 1_000_000))

    def folders(self) -> Sequence[str]:
        """The names right below that have files below them."""
        import obstore

        return [path.rpartition("/")[2] for path in obstore.list_with_delimiter(self._store)["common_prefixes"]]

    def delete(self, paths: Sequence[str]) -> None:
        """Remove files; those that are gone already are fine."""
        import obstore

        obstore.delete(self._store, list(paths))

    def flush(self, path: str, names: Sequence[str]) -> None:
        """Nothing: what an object store has answered is durable."""

    @property
    def _store(self) -> ObjectStore:
        return _connect(self.url, self.query)


@cache
def _connect(url: str, query: tuple[tuple[str, str], ...]) -> ObjectStore:
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    settings: dict[str, Any] = dict(query)
    retry = {
        "max_retries": _number(url, settings, "max_retries"),
        "retry_timeout": timedelta(seconds=_number(url, settings, "retry_timeout")),
    }
    prefix = SCHEMES[urlsplit(url).scheme].upper()
    told = {name: os.environ[prefix + name.upper()] for name in _CLIENT if prefix + name.upper() in os.environ}
    client = told | {name: settings.pop(name) for name in _CLIENT & settings.keys()}
    options: dict[str, Any] = {"config": settings or None, "client_options": client, "retry_config": retry}
    try:
        store: ObjectStore = from_url(url, **options)
    except (BaseError, ValueError) as error:
        msg = f"setting 'lake' is {url!r}, which can't be used: {str(error).splitlines()[0]}"
        raise SettingsError(msg) from error
    return store


def _number(url: str, settings: dict[str, Any], name: str) -> int:
    text = settings.pop(name)
    if not text.isdecimal():
        msg = f"setting 'lake' is {url!r} with {name}={text!r}: it must be a whole number"
        raise SettingsError(msg)
    return int(text)
