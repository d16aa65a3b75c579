"""Sends one delivery: to a public address that was looked up once, without following redirects, within some seconds."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping
from functools import cache
from ssl import SSLContext
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

__all__ = ["SECONDS", "Answer", "is_allowed", "send"]

SECONDS = 10.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""A gateway makes IPv4 of these, private addresses too."""
_IPV6 = ipaddress.ip_network("2000::/3")
"""What is given out as public addresses. Elsewhere there are old ways of writing IPv4, and networks of one place."""
MOST_SAID = 1000
"""So much of an answer is kept."""


class Answer(NamedTuple):
    """What the receiver said: its status, or None and why there is none."""

    code: int | None
    text: str


def is_allowed(host: str, allowed: Collection[str]) -> bool:
    """Whether a host was named as one that may be private, and may be spoken to without TLS."""
    return host.lower() in {name.lower() for name in allowed}


def send(url: str, body: bytes, headers: Mapping[str, str], allowed: Collection[str] = ()) -> Answer:
    """Send a body to an address.

    The host is resolved here, once, and every address that it resolves to must be a public one: what is checked is what is
    connected to. A redirect is an answer like any other; it isn't followed.

    Args:
        allowed: hosts that may be private, or spoken to without TLS.
    """
    import httpx

    parts = urlsplit(url)
    host = parts.hostname or ""
    private = is_allowed(host, allowed)
    if parts.scheme != "https" and not private:
        return Answer(None, "only https:// is sent to; name the host in the setting webhook_hosts to allow http://")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = _resolve(host, port)
    if isinstance(found, str):
        return Answer(None, found)
    bad = [address for address in found if not private and not _is_public(address)]
    if bad:
        msg = f"{host} is {bad[0]}, which is no public address; name the host in the setting webhook_hosts to allow it"
        return Answer(None, msg)
    address = found[0]
    pinned = urlunsplit(parts._replace(netloc=f"{f'[{address}]' if ':' in address else address}:{port}"))
    named = host if parts.port is None else f"{host}:{parts.port}"
    try:
        with (
            httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False, verify=_trust()) as client,
            client.stream(
                "POST", pinned, content=body, headers={**headers, "Host": named}, extensions={"sni_hostname": host}
            ) as response,
        ):
            return Answer(response.status_code, _beginning(response))
    except httpx.HTTPError as error:
        return Answer(None, f"{type(error).__name__}: {error}".rstrip(": "))


@cache
def _trust() -> SSLContext:
    """Whom to trust, read once: it takes 20 ms."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)


def _resolve(host: str, port: int) -> list[str] | str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return f"{host} can't be found: {error}"
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    if mapped is not None:
        parsed = mapped
    elif parsed in _NAT64:
        parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    if parsed.version == 6 and parsed not in _IPV6:
        return False
    return parsed.is_global and not parsed.is_multicast


def _beginning(response: object) -> str:
    """The beginning of the answer, as text; a receiver that talks for ever isn't listened to."""
    import time

    until = time.monotonic() + SECONDS
    said = b""
    for piece in response.iter_bytes():  # type: ignore[attr-defined]  # an httpx.Response
        said += piece
        if len(said) >= MOST_SAID or time.monotonic() > until:
            break
    return said[:MOST_SAID].decode("utf-8", "replace")
