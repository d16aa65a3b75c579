"""The one place where a bucket's URL becomes a connection, for `obstore` and for `deltalake`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from headrace.errors import SettingsError

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

    BucketStore = AzureStore | GCSStore | S3Store

__all__ = ["SCHEMES", "Connection", "place_of"]

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
class Connection:
    """A prefix of a bucket. Credentials and endpoint come from the environment (AWS_*, GOOGLE_*, AZURE_*) or the URL's query.

    It can be pickled: whoever loads it connects with the environment there.

    Attributes:
        url: without the query.
        setting: what named it, for errors: `lake`, `artifacts`.
        query: the query's settings, as `obstore` names them.
    """

    url: str
    setting: str
    query: tuple[tuple[str, str], ...] = field(repr=False)  # there may be a secret in it

    @classmethod
    def at(cls, url: str, setting: str) -> Connection:
        """The bucket that a setting's URL names: `s3://bucket/prefix?region=eu-west-1`.

        Raises:
            SettingsError: the URL names no bucket, or a setting that doesn't exist.
        """
        parts = urlsplit(url)
        shown = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
        if not parts.netloc or parts.fragment:
            msg = f"setting {setting!r} is {shown!r}, which names no bucket: give for example '{parts.scheme}://bucket/prefix'"
            raise SettingsError(msg)
        defaults = _DEFAULTS | (_S3_DEFAULTS if parts.scheme == "s3" else {})
        made = cls(shown, setting, tuple((defaults | dict(parse_qsl(parts.query))).items()))
        made.store  # noqa: B018 - so that a wrong setting shows now
        return made

    @property
    def options(self) -> dict[str, str]:
        """The settings as `deltalake` names them."""
        prefix = SCHEMES[urlsplit(self.url).scheme]
        named = {name if name in _CLIENT | _RETRY else prefix + name.removeprefix(prefix): value for name, value in self.query}
        return named | {"retry_timeout": f"{named['retry_timeout']}s"}

    @property
    def store(self) -> BucketStore:
        """The prefix as `obstore` takes it; opened once."""
        return _connect(self.url, self.setting, self.query)

    def under(self, name: str) -> Connection:
        """The prefix of this name below this one."""
        return replace(self, url=f"{self.url}/{quote(name)}")


def place_of(root: str | Path, setting: str) -> Connection | Path:
    """Where a setting keeps files: the connection of a bucket's URL, or the absolute path of a folder, named by path or URL.

    Raises:
        SettingsError: it is a URL of neither.
    """
    parts = urlsplit(str(root))
    if "://" not in str(root):
        return Path(root).resolve()
    if parts.scheme in SCHEMES:
        return Connection.at(str(root), setting)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).resolve()
    known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
    msg = (
        f"setting {setting!r} is {str(root)!r}, where no files are kept: give a path, or a URL that begins with file://, {known}"
    )
    raise SettingsError(msg)


@cache
def _connect(url: str, setting: str, query: tuple[tuple[str, str], ...]) -> BucketStore:
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    settings: dict[str, Any] = dict(query)
    retry = {
        "max_retries": _number(url, setting, settings, "max_retries"),
        "retry_timeout": timedelta(seconds=_number(url, setting, settings, "retry_timeout")),
    }
    prefix = SCHEMES[urlsplit(url).scheme].upper()
    told = {name: os.environ[prefix + name.upper()] for name in _CLIENT if prefix + name.upper() in os.environ}
    client = told | {name: settings.pop(name) for name in _CLIENT & settings.keys()}
    options: dict[str, Any] = {"config": settings or None, "client_options": client, "retry_config": retry}
    try:
        store: Any = from_url(url, **options)
    except (BaseError, ValueError) as error:
        msg = f"setting {setting!r} is {url!r}, which can't be used: {str(error).splitlines()[0]}"
        raise SettingsError(msg) from error
    found: BucketStore = store
    return found


def _number(url: str, setting: str, settings: dict[str, Any], name: str) -> int:
    text = settings.pop(name)
    if not text.isdecimal():
        msg = f"setting {setting!r} is {url!r} with {name}={text!r}: it must be a whole number"
        raise SettingsError(msg)
    return int(text)
