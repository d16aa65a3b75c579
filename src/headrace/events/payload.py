"""What the messages of a topic hold: rows as JSON, Avro or Arrow; for a message that holds none, the reason."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from headrace.definitions.plain import parse_time, plain, reader_of
from headrace.definitions.schema import arrow_schema, arrow_type, is_float, is_integer, vector_size
from headrace.errors import InvalidInputError, MissingExtraError, SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "CONTENT_TYPES",
    "FORMATS",
    "ROW_BITS",
    "TIME_UNITS",
    "Codec",
    "Decoded",
    "PayloadError",
    "Shape",
    "codec_of",
    "decode",
    "read_schema",
]

CONTENT_TYPES: Mapping[str, str] = {
    "json": "application/json",
    "avro": "avro/binary",
    "avro-confluent": "application/vnd.confluent.avro",
    "arrow": "application/vnd.apache.arrow.stream",
}
"""Format to the value of a message's `content-type` header that names it."""
FORMATS: tuple[str, ...] = tuple(CONTENT_TYPES)
TIME_UNITS: Mapping[str, int] = {"s": 1_000_000, "ms": 1000, "us": 1}
"""Unit of timestamps that are numbers to its microseconds."""
ROW_BITS = 10
"""An Arrow message holds up to 2**ROW_BITS rows; the low bits of their offsets number them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAGIC = struct.Struct(">bI")
_NONE = type(None)


class PayloadError(Exception):
    """Messages that aren't rows; the text says why."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the rows of a topic look like.

    Attributes:
        schema: column name to type name.
        required: columns that are never null.
        time_unit: of timestamps that are numbers; empty: numbers are refused, because no unit was declared.
        lenient: a missing column is null, unless it is required.
        avro_schema: the schema that Avro messages were written with, as JSON text; empty: the one derived from `schema`.
        keys: the key columns of each group; a row has the key of at least one.
    """

    schema: Mapping[str, str]
    required: frozenset[str] = frozenset()
    time_unit: str = ""
    lenient: bool = False
    avro_schema: str = ""
    keys: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Decoded:
    """Messages as rows.

    Attributes:
        rows: of the shape's schema, in the order of the messages.
        counts: the number of rows that each message holds.
        faults: place of a message to the reason why it holds none.
    """

    rows: pa.Table
    counts: list[int]
    faults: dict[int, str] = field(default_factory=dict)


class Codec(Protocol):
    """One format of messages."""

    def encode(self, rows: pa.Table) -> list[tuple[bytes, int]]:
        """(message, number of rows in it), in the order of the rows."""
        ...

    def decode(self, messages: Sequence[bytes]) -> tuple[pa.Table, list[int]]:
        """The rows, and how many each message holds. Raises PayloadError if one holds none that fit; it needn't say which."""
        ...


def codec_of(name: str, shape: Shape, rows: int = 1) -> Codec:
    """The codec of a format for rows of a shape, up to `rows` of them in a message.

    Raises:
        SettingsError: there is no such format, or the Avro schema can't be used.
        MissingExtraError: the format's package isn't installed.
    """
    if name == "json":
        return _Json(shape)
    if name in ("avro", "avro-confluent"):
        return _Avro(shape, framed=name != "avro")
    if name == "arrow":
        return _Arrow(shape, rows)
    msg = f"there is no message format {name!r}; give one of {', '.join(FORMATS)}"
    raise SettingsError(msg)


def decode(codec: Codec, messages: Sequence[bytes | None]) -> Decoded:
    """The rows of the messages that hold some, and the faults of the others. A message's answer depends on no other."""
    import pyarrow as pa

    tables: list[pa.Table] = []
    counts = [0] * len(messages)
    faults = {place: "the message is empty (a tombstone)" for place, message in enumerate(messages) if message is None}
    whole = [(place, message) for place, message in enumerate(messages) if message is not None]
    pending = [whole] if whole else []
    while pending:  # halve what fails until single messages are left
        part = pending.pop()
        try:
            rows, found = codec.decode([message for _, message in part])
        except PayloadError as error:
            if len(part) == 1:
                faults[part[0][0]] = str(error)
            else:
                middle = len(part) // 2
                pending += [part[middle:], part[:middle]]
            continue
        tables.append(rows)
        for (place, _), count in zip(part, found, strict=True):
            counts[place] = count
    rows = pa.concat_tables(tables) if tables else codec.decode([])[0]
    return Decoded(rows, counts, faults)


class _Json:
    """One object a message. Timestamps are RFC 3339 text, or numbers of a declared unit; bytes are base64; NaN is "NaN"."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def encode(self, rows: pa.Table) -> list[tuple[bytes, int]]:
        columns = [_to_json(rows.column(name), kind) for name, kind in self._shape.schema.items()]
        names = list(self._shape.schema)
        dumps = partial(orjson.dumps, option=orjson.OPT_UTC_Z)
        return [(dumps(dict(zip(names, values, strict=True))), 1) for values in zip(*columns, strict=True)]

    def decode(self, messages: Sequence[bytes]) -> tuple[pa.Table, list[int]]:
        loads = orjson.loads
        try:
            objects = [loads(message) for message in messages]
        except orjson.JSONDecodeError as error:
            msg = f"not JSON: {error}"
            raise PayloadError(msg) from error
        return _columns(objects, self._shape, _from_json), [1] * len(messages)


class _Avro:
    """One record a message, without a file header; `framed`: after a magic byte and a schema number, which isn't looked up."""

    def __init__(self, shape: Shape, *, framed: bool) -> None:
        try:
            import fastavro
        except ImportError as error:
            package = "fastavro"
            raise MissingExtraError.of(package, "kafka") from error
        self._shape = shape
        self._framed = framed
        self._read, self._write = fastavro.schemaless_reader, fastavro.schemaless_writer
        try:
            own = json.loads(shape.avro_schema) if shape.avro_schema else _avro_schema(shape.schema)
            self._schema = fastavro.parse_schema(own)
        except (ValueError, TypeError, KeyError, fastavro.schema.SchemaParseException) as error:
            msg = f"the Avro schema can't be used: {type(error).__name__}: {error}"
            raise SettingsError(msg) from error

    def encode(self, rows: pa.Table) -> list[tuple[bytes, int]]:
        head = _MAGIC.pack(0, 0) if self._framed else b""
        return [(head + self._record(row), 1) for row in rows.select(list(self._shape.schema)).to_pylist()]

    def decode(self, messages: Sequence[bytes]) -> tuple[pa.Table, list[int]]:
        return _columns([self._object(message) for message in messages], self._shape, _from_avro), [1] * len(messages)

    def _record(self, row: Mapping[str, Any]) -> bytes:
        out = io.BytesIO()
        self._write(out, self._schema, row)
        return out.getvalue()

    def _object(self, message: bytes) -> Any:
        stream = io.BytesIO(message)
        if self._framed and (len(message) < _MAGIC.size or stream.read(_MAGIC.size)[0] != 0):
            msg = "not Avro in Confluent's framing: it doesn't begin with a zero byte and a schema number"
            raise PayloadError(msg)
        try:
            found = self._read(stream, self._schema, None)
        except Exception as error:  # fastavro raises whatever the bytes lead it to
            msg = f"not Avro of the declared schema: {type(error).__name__}: {error}"
            raise PayloadError(msg) from error
        if stream.read(1):
            msg = "not Avro of the declared schema: bytes are left after the record"
            raise PayloadError(msg)
        return found


class _Arrow:
    """Up to `most` rows a message: an Arrow IPC stream."""

    def __init__(self, shape: Shape, most: int) -> None:
        self._shape = shape
        self._most = most
        self._schema = arrow_schema(shape.schema)

    def encode(self, rows: pa.Table) -> list[tuple[bytes, int]]:
        rows = rows.select(list(self._shape.schema))
        pieces = [rows.slice(start, self._most) for start in range(0, rows.num_rows, self._most)]
        return [(self._stream(piece), piece.num_rows) for piece in pieces]

    def decode(self, messages: Sequence[bytes]) -> tuple[pa.Table, list[int]]:
        import pyarrow as pa

        tables = [self._table(message) for message in messages]
        rows = pa.concat_tables(tables) if tables else self._schema.empty_table()
        return rows, [table.num_rows for table in tables]

    def _stream(self, rows: pa.Table) -> bytes:
        import pyarrow as pa

        out = io.BytesIO()
        with pa.ipc.new_stream(out, rows.schema) as writer:
            writer.write_table(rows)
        return out.getvalue()

    def _table(self, message: bytes) -> pa.Table:
        import pyarrow as pa

        try:
            found = pa.ipc.open_stream(message).read_all()
            found.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            msg = f"not an Arrow stream: {str(error).splitlines()[0]}"
            raise PayloadError(msg) from error
        if found.num_rows > self._most:
            most = f"{self._most}" if self._most > 1 else f"one, and up to {1 << ROW_BITS} where the URL says format=arrow"
            msg = f"the message holds {found.num_rows} rows; an Arrow message may hold {most}"
            raise PayloadError(msg)
        arrays = {name: self._column(found, name, kind) for name, kind in self._shape.schema.items()}
        _refuse_nulls(arrays, self._shape)
        return pa.table(arrays, schema=self._schema)

    def _column(self, found: pa.Table, name: str, kind: str) -> Any:
        import pyarrow as pa

        if name not in found.column_names:
            if not self._shape.lenient or name in self._shape.required:
                raise PayloadError(_missing(name))
            return pa.nulls(found.num_rows, arrow_type(kind))
        values = found.column(name)
        try:
            if not _akin(values.type, kind):
                raise pa.ArrowInvalid
            if vector_size(kind) is not None and any(chunk.flatten().null_count for chunk in values.chunks):
                raise pa.ArrowInvalid
            return values.cast(arrow_type(kind))
        except (pa.ArrowException, ValueError) as error:
            msg = f"column {name!r} holds {values.type}, but {kind} is expected"
            raise PayloadError(msg) from error


_Convert = Callable[[str, str, list[Any], Shape], Any]


def _akin(found: pa.DataType, kind: str) -> bool:
    """Whether a value of an Arrow type may be one of a column type; Arrow itself casts text to numbers and the like."""
    from pyarrow import types

    if is_integer(kind):
        return bool(types.is_integer(found))
    if is_float(kind):
        return bool(types.is_integer(found) or types.is_floating(found))
    if vector_size(kind) is not None:
        lists = types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found)
        return bool(lists and (types.is_floating(found.value_type) or types.is_integer(found.value_type)))
    kinds: Mapping[str, tuple[Callable[[pa.DataType], bool], ...]] = {
        "string": (types.is_string, types.is_large_string, types.is_dictionary),
        "bytes": (types.is_binary, types.is_large_binary),
        "bool": (types.is_boolean,),
        "date": (types.is_date,),
        "timestamp": (types.is_timestamp,),
    }
    return any(is_kind(found) for is_kind in kinds[kind])


def _columns(objects: Sequence[Any], shape: Shape, convert: _Convert) -> pa.Table:
    """Rows of objects, one column at a time: a list comprehension and one conversion are all that a value costs."""
    import pyarrow as pa

    arrays = {}
    for name, kind in shape.schema.items():
        try:
            if shape.lenient and name not in shape.required:
                values = [item.get(name) for item in objects]
            else:
                values = [item[name] for item in objects]
        except KeyError as error:
            raise PayloadError(_missing(name)) from error
        except (TypeError, IndexError, AttributeError) as error:
            msg = "not an object with the columns of a row"
            raise PayloadError(msg) from error
        try:
            arrays[name] = convert(name, kind, values, shape)
        except (pa.ArrowException, ValueError, TypeError, OverflowError, InvalidInputError) as error:
            raise PayloadError(_wrong(name, kind, values)) from error
    _refuse_nulls(arrays, shape)
    return pa.table(arrays, schema=arrow_schema(shape.schema))


def _from_json(name: str, kind: str, values: list[Any], shape: Shape) -> pa.Array:
    import pyarrow as pa

    types = set(map(type, values)) - {_NONE}
    if kind == "timestamp":
        return _json_times(name, values, types, shape)
    if vector_size(kind) is not None:
        return _vectors(kind, values, types)
    if not types <= _JSON_TYPES[kind] | ({str} if is_float(kind) else set()):
        raise TypeError
    read = reader_of(kind) if str in types else None
    return pa.array(values if read is None else [None if value is None else read(value) for value in values], arrow_type(kind))


_JSON_TYPES: Mapping[str, set[type]] = {
    "bool": {bool},
    "int32": {int},
    "int64": {int},
    "float32": {int, float},
    "float64": {int, float},
    "string": {str},
    "bytes": {str},
    "date": {str},
}


def _vectors(kind: str, values: list[Any], types: set[type]) -> pa.Array:
    """Lists of numbers as vectors; Arrow refuses another length."""
    import pyarrow as pa

    if not types <= {list}:
        raise TypeError
    if str in _item_types(values):  # "NaN"
        read = reader_of("float32") or float
        values = [None if value is None else [read(number) for number in value] for value in values]
    if not _item_types(values) <= {int, float}:
        raise TypeError
    return pa.array(values, arrow_type(kind))


def _item_types(lists: list[Any]) -> set[type]:
    return set(map(type, chain.from_iterable(filter(None, lists))))


def _json_times(name: str, values: list[Any], types: set[type], shape: Shape) -> pa.Array:
    import pyarrow as pa

    kind = arrow_type("timestamp")
    if not types:
        return pa.nulls(len(values), kind)
    if types == {str}:
        try:
            return pa.array(values, pa.string()).cast(kind)
        except pa.ArrowInvalid:  # without a zone, which is UTC, or more exact than microseconds
            return pa.array([None if value is None else parse_time(value) for value in values], kind)
    if types <= {int, float} and not shape.time_unit:
        msg = f"column {name!r} is a number ({_first(values)!r}); write RFC 3339 text, or declare its unit: time=s, ms or us"
        raise PayloadError(msg)
    if types == {int}:
        scale = TIME_UNITS[shape.time_unit]
        micros = [None if value is None else value * scale for value in values]
        if any(value is not None and not _EARLIEST <= value <= _LATEST for value in micros):
            raise OverflowError
        return pa.array(micros, pa.int64()).cast(kind)
    if len(types) > 1:  # each by itself tells which is wrong
        return pa.concat_arrays([_json_times(name, [value], {type(value)} - {_NONE}, shape) for value in values])
    raise TypeError


_EARLIEST, _LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999


def _to_json(column: Any, kind: str) -> list[Any]:
    values: list[Any] = column.to_pylist()
    own = kind == "bytes" or is_float(kind) or vector_size(kind) is not None
    return [plain(value) for value in values] if own else values  # the others orjson writes alike


def _from_avro(name: str, kind: str, values: list[Any], shape: Shape) -> pa.Array:
    """Avro's logical types come as datetimes and dates, numbers and text as themselves."""
    import pyarrow as pa

    types = set(map(type, values)) - {_NONE}
    if kind == "timestamp":
        if types <= {datetime}:
            micros = [None if value is None else (_aware(value) - _EPOCH) // timedelta(microseconds=1) for value in values]
            return pa.array(micros, pa.int64()).cast(arrow_type(kind))
        return _json_times(name, values, types, shape)
    if vector_size(kind) is not None:
        return _vectors(kind, values, types)
    if not types <= _AVRO_TYPES.get(kind, _JSON_TYPES[kind]):
        raise TypeError
    return pa.array(values, arrow_type(kind))


_AVRO_TYPES: Mapping[str, set[type]] = {"bytes": {bytes}, "date": {date}}


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _avro_schema(schema: Mapping[str, str]) -> dict[str, Any]:
    """A record with the columns in their order, each of which may be null."""
    types: dict[str, Any] = {
        "bool": "boolean",
        "int32": "int",
        "int64": "long",
        "float32": "float",
        "float64": "double",
        "string": "string",
        "bytes": "bytes",
        "timestamp": {"type": "long", "logicalType": "timestamp-micros"},
        "date": {"type": "int", "logicalType": "date"},
    }
    vector = {"type": "array", "items": "float"}
    columns = [{"name": name, "type": ["null", types.get(kind, vector)], "default": None} for name, kind in schema.items()]
    return {"type": "record", "name": "row", "fields": columns}


def _refuse_nulls(arrays: Mapping[str, Any], shape: Shape) -> None:
    from headrace.kernel.keyless import first_keyless

    for name in shape.required:
        if arrays[name].null_count:
            msg = f"column {name!r} is null"
            raise PayloadError(msg)
    if len(shape.keys) > 1 and first_keyless(shape.keys, arrays) is not None:
        msg = f"the key of every group is null: {', '.join(dict.fromkeys(name for key in shape.keys for name in key))}"
        raise PayloadError(msg)


def _missing(name: str) -> str:
    return f"column {name!r} is missing"


def _wrong(name: str, kind: str, values: Sequence[Any]) -> str:
    text = repr(_first(values))
    return f"column {name!r} holds {text if len(text) <= 60 else text[:60] + '…'}, but {kind} is expected"


def _first(values: Sequence[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def read_schema(path: str) -> str:
    """The text of an Avro schema file. Raises SettingsError."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"the Avro schema {path} can't be read: {error}"
        raise SettingsError(msg) from error
