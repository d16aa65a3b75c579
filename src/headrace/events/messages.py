"""From Kafka messages to runs of rows with their place and time of arrival, and what isn't a row with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.errors import InvalidInputError
from headrace.events.broker import KafkaUrl
from headrace.events.log import LogBatch, Refused, Stream
from headrace.events.payload import CONTENT_TYPES, Codec, Decoded, Shape, codec_of, decode, read_schema

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ARRIVAL_BITS", "CONTENT_TYPE", "Reader", "arrivals", "refusal", "topic_of"]

ARRIVAL_BITS = 20
"""The order of arrival of rows in several partitions: milliseconds of the message, then so many low bits of the offset."""
LATEST = 1 << 42
"""No message has a time, in milliseconds, beyond: its order of arrival would not fit."""
EVENT_TIME, AVAILABLE_TIME, SEQUENCE = "event_time", "available_time", "_sequence"
"""What the lake calls the columns that come with every row."""
CONTENT_TYPE = "content-type"

Ints = npt.NDArray[np.int64]


class Reader:
    """Reads and writes the messages of one source.

    Attributes:
        topic: the Kafka topic.
        bits: how many low bits of an offset number the rows of one message.
    """

    def __init__(self, url: KafkaUrl, stream: Stream, topic: str) -> None:
        source = stream.source
        path = url.option("schema", source.name)
        times = filter(None, (source.timestamp, source.available))
        shape = Shape(
            source.schema,
            frozenset([*times, *(stream.key if len(stream.keys) == 1 else ())]),
            url.option("time", source.name),
            url.option("missing", source.name) == "null",
            read_schema(path) if path else "",
            stream.keys,
        )
        self.stream = stream
        self.topic = topic
        self.bits = url.row_bits(source.name)
        self._format = url.option("format", source.name)
        self._largest = int(url.option("largest", source.name))
        self._shape = shape
        self._codecs: dict[str, Codec] = {}

    @property
    def content_type(self) -> str:
        """What the header of messages that we write says."""
        return CONTENT_TYPES[self._format]

    @property
    def largest(self) -> int:
        """The largest message that is read, in bytes."""
        return self._largest

    def codec(self, name: str = "") -> Codec:
        """The codec of a format, by default the source's own."""
        name = name or self._format
        if name not in self._codecs:
            self._codecs[name] = codec_of(name, self._shape, rows=1 << self.bits)
        return self._codecs[name]

    def batch(self, partition: int, first: int, messages: Sequence[Any]) -> tuple[LogBatch, list[Refused], Ints]:
        """The run of a partition from offset `first` to the end of the last message; and for each row its message's place.

        Args:
            messages: confluent_kafka's, ascending, at least one.
        """
        import pyarrow as pa

        stamps = [message.timestamp()[1] for message in messages]
        values, faults = self._usable([message.value() for message in messages], stamps)
        found = self._decoded(values, [_format_of(message.headers()) for message in messages])
        faults = {**found.faults, **faults}
        places = np.repeat(np.arange(len(messages), dtype=np.int64), found.counts)
        offsets = np.array([message.offset() for message in messages], np.int64)
        last = ((int(offsets[-1]) + 1) << self.bits) - 1
        own = offsets[places] << self.bits
        if self.bits:
            own += np.arange(len(places)) - np.searchsorted(places, places)
        rows = self.finished(found.rows, np.array(stamps, np.int64)[places], own)
        refused = [refusal(partition, messages[place], reason, self.bits) for place, reason in sorted(faults.items())]
        keep = own >= first  # a read may begin within a message
        if not keep.all():
            rows, own, places = rows.filter(pa.array(keep)), own[keep], places[keep]
        return LogBatch(partition, first, rows, last, pa.array(own)), refused, places

    def finished(self, rows: pa.Table, stamps: Ints, offsets: Ints) -> pa.Table:
        """Rows with their event time, and the time and order of arrival that their messages give them."""
        import pyarrow as pa

        source = self.stream.source
        moment = pa.timestamp("us", tz="UTC")
        if source.timestamp != EVENT_TIME:
            rows = rows.append_column(EVENT_TIME, rows.column(source.timestamp))
        if source.available is None:
            rows = rows.append_column(AVAILABLE_TIME, pa.array(stamps * 1000).cast(moment))
        elif source.available != AVAILABLE_TIME:
            rows = rows.append_column(AVAILABLE_TIME, rows.column(source.available))
        return rows.append_column(SEQUENCE, pa.array(arrivals(stamps, offsets)))

    def _usable(self, values: list[bytes | None], stamps: Sequence[int]) -> tuple[list[bytes | None], dict[int, str]]:
        faults = {}
        for place, (value, stamp) in enumerate(zip(values, stamps, strict=True)):
            if value is not None and len(value) > self._largest:
                faults[place] = (
                    f"the message has {len(value)} bytes; up to {self._largest} are read (option 'largest' of the URL)"
                )
            elif not 0 <= stamp < LATEST:
                faults[place] = "the message has no timestamp that can be used, so the order of its arrival isn't known"
        if faults:
            values = [None if place in faults else value for place, value in enumerate(values)]
        return values, faults

    def _decoded(self, values: Sequence[bytes | None], formats: Sequence[str]) -> Decoded:
        """Decode each message by its own format; the rows in the order of the messages."""
        import pyarrow as pa

        kinds = set(formats)
        if len(kinds) == 1:
            return decode(self.codec(formats[0]), values)
        tables, places, counts, faults = [], [], [0] * len(values), {}
        for kind in sorted(kinds):
            own = [place for place, name in enumerate(formats) if name == kind]
            found = decode(self.codec(kind), [values[place] for place in own])
            tables.append(found.rows)
            places.append(np.repeat(np.array(own, np.int64), found.counts))
            faults.update({own[place]: reason for place, reason in found.faults.items()})
            for place, count in zip(own, found.counts, strict=True):
                counts[place] = count
        order = np.argsort(np.concatenate(places), kind="stable")
        return Decoded(pa.concat_tables(tables).take(pa.array(order)), counts, faults)


def arrivals(stamps: Ints, offsets: Ints) -> Ints:
    """The places of rows in the order of arrival, across partitions: by the time of the message, then by offset."""
    return (stamps << ARRIVAL_BITS) | (offsets & ((1 << ARRIVAL_BITS) - 1))


def refusal(partition: int, message: Any, reason: str, bits: int = 0) -> Refused:
    """A confluent_kafka message that is passed over."""
    headers: Mapping[str, bytes] = {name: value for name, value in message.headers() or () if value is not None}
    return Refused(partition, message.offset() << bits, reason, message.key(), message.value(), headers)


_FORMATS = {content_type: name for name, content_type in CONTENT_TYPES.items()} | {"avro/confluent": "avro-confluent"}


def _format_of(headers: Sequence[tuple[str, bytes | str | None]] | None) -> str:
    """The format that a header names; empty if none does."""
    for name, value in headers or ():
        if name.lower() == CONTENT_TYPE and value is not None:
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            return _FORMATS.get(text.partition(";")[0].strip().lower(), "")
    return ""


def topic_of(stream: Stream) -> str:
    """The topic of a source.

    Raises:
        InvalidInputError: it has none, as sources that only `write` fills have.
    """
    if stream.source.stream is None:
        name = stream.source.name
        msg = (
            f"source {name!r} has no stream, so no topic of Kafka takes its rows; bring them in with store.write({name!r}, rows) "
            f"and materialize, or declare stream='TOPIC', apply, and: headrace ingest {name} --create-topics"
        )
        raise InvalidInputError(msg)
    return stream.source.stream
