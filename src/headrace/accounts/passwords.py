"""Hashes of passwords (scrypt) and of tokens, and their comparison in constant time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

__all__ = ["hashed", "matches", "new_secret", "token_digest"]

_COST, _BLOCK, _LANES = 2**15, 8, 3
"""32 MB, three times over: what OWASP advises where 128 MB for each login are too much."""
_MEMORY = 128 * _COST * _BLOCK * 2
_LONGEST = 1024
SECRET_BYTES = 32


def hashed(password: str) -> str:
    """`scrypt$cost$block$lanes$salt$hash`."""
    salt = os.urandom(16)
    parts = (_text(salt), _text(_scrypt(password, salt, _COST, _BLOCK, _LANES)))
    return "$".join(("scrypt", str(_COST), str(_BLOCK), str(_LANES), *parts))


def matches(password: str, kept: str) -> bool:
    """Whether a password is the one of this hash. An empty hash costs as much and matches nothing: nobody learns who has one."""
    if not kept or len(password) > _LONGEST:
        _scrypt("", bytes(16), _COST, _BLOCK, _LANES)
        return False
    _, cost, block, lanes, salt, digest = kept.split("$")
    found = _scrypt(password, base64.b64decode(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(found, base64.b64decode(digest))


def new_secret() -> str:
    """256 random bits as text for a header."""
    return base64.urlsafe_b64encode(os.urandom(SECRET_BYTES)).rstrip(b"=").decode()


def token_digest(secret: str) -> str:
    """SHA-256 of a token: 256 random bits can't be guessed, so a slow hash would protect nothing more."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, n=cost, r=block, p=lanes, maxmem=_MEMORY, dklen=32)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
