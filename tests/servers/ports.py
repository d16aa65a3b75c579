"""Ports for servers that must know theirs before they start, or that come back where they were."""

from __future__ import annotations

import random
import socket
from pathlib import Path

__all__ = ["free_port"]

_LOWEST = 15_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL = 32_768
"""Where the ports begin that the system gives to clients, unless it says otherwise."""

_dice = random.SystemRandom()


def free_port() -> int:
    """A loopback port that nobody listens on, and that the system won't give to a client while its server is down.

    A port below those of clients, at random: two processes that ask at once hardly get the same, and nobody who connects to it
    meets himself.
    """
    highest = int(_RANGE.read_text(encoding="ascii").split()[0]) if _RANGE.exists() else _EPHEMERAL
    while True:
        port = _dice.randrange(_LOWEST, highest) if highest > 2 * _LOWEST else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
