"""Values as msgpack: whole numbers of any size, floats to the bit, bytes, text, moments and dates come back as they were."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgpack

from headrace.clock import from_micros, to_micros
from headrace.errors import InvalidInputError

__all__ = ["KEY_HEADER", "MSGPACK", "REVISION_HEADER", "WIRE", "pack", "unpack"]

WIRE = 1
"""The number of what client and server speak to each other. It changes when one of them wouldn't understand the other."""
MSGPACK = "application/msgpack"
KEY_HEADER = "idempotency-key"
"""The header that names a request which changes something: one name is carried out once, however often it comes."""
REVISION_HEADER = "headrace-revision"
"""The header with the newest revision of the catalog that a client has seen: no worker answers it from an older one."""

_MOMENT, _NAIVE, _DATE, _BIG, _OPAQUE, _VECTOR = 1, 2, 3, 4, 5, 6
_EPOCH = date(1970, 1, 1)


def pack(value: Any) -> bytes:
    """The value as bytes. What has no place in a column travels as its type's name and its text, so that errors can tell it."""
    packed: bytes = msgpack.packb(value, default=_extended, unicode_errors="surrogatepass")
    return packed


def unpack(data: bytes | memoryview) -> Any:
    """The value that `pack` was given.

    Raises:
        InvalidInputError: the bytes aren't that.
    """
    try:
        return msgpack.unpackb(data, ext_hook=_restored, strict_map_key=False, unicode_errors="surrogatepass")
    except (ValueError, TypeError, struct.error, msgpack.UnpackException, RecursionError) as error:
        msg = f"the body isn't msgpack as Headrace writes it: {error}"
        raise InvalidInputError(msg) from error


def _extended(value: Any) -> Any:
    """What msgpack can't pack by itself."""
    value = _plain(value)
    if value is None or type(value) in (bool, float, str, bytes, list):
        return value
    if isinstance(value, datetime):
        code = _NAIVE if value.tzinfo is None else _MOMENT
        return msgpack.ExtType(code, struct.pack(">q", to_micros(value)))
    if isinstance(value, date):
        return msgpack.ExtType(_DATE, struct.pack(">q", (value - _EPOCH).days))
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else msgpack.ExtType(_BIG, str(value).encode())
    if getattr(value, "ndim", 0) == 1 and str(getattr(value, "dtype", "")) == "float32":
        return msgpack.ExtType(_VECTOR, value.astype("<f4").tobytes())
    return msgpack.ExtType(_OPAQUE, msgpack.packb([type(value).__name__, repr(value)], unicode_errors="replace"))


def _plain(value: Any) -> Any:
    """The Python value of one that is NumPy's or pandas'; their missing values are None."""
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "to_pydatetime"):
        return value.floor("us").to_pydatetime()
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.astype("datetime64[us]").item() if value.dtype.kind == "M" else value.item()
    return value


def _restored(code: int, data: bytes) -> Any:
    if code in (_MOMENT, _NAIVE):
        moment = from_micros(struct.unpack(">q", data)[0])
        return moment if code == _MOMENT else moment.astimezone(UTC).replace(tzinfo=None)
    if code == _DATE:
        return _EPOCH + timedelta(days=struct.unpack(">q", data)[0])
    if code == _BIG:
        return int(data)
    if code == _VECTOR:
        import numpy as np

        return np.frombuffer(data, "<f4")
    if code == _OPAQUE:
        kind, text = msgpack.unpackb(data)
        return type(str(kind), (), {"__repr__": lambda _: str(text)})()  # what an error shows of it is what the sender has
    msg = f"unknown extension type {code}"
    raise ValueError(msg)
