"""The event log in Kafka: a topic per source, its partitions, and rows as messages that others may write and read too."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from headrace.clock import Clock, system_clock
from headrace.errors import IntegrityError, InvalidInputError, NotFoundError, StorageError
from headrace.events.broker import Broker, parse_url
from headrace.events.dead import DeadLetters
from headrace.events.log import DeadLetter, EventConsumer, LogBatch, Place, Refused, Stream
from headrace.events.messages import ARRIVAL_BITS, CONTENT_TYPE, Reader, topic_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KafkaEventLog"]

READ_MESSAGES = 10_000
"""Messages decoded at once by `read`."""
WAIT = 0.05
STALLED = 30.0
"""Seconds after which a read without an answer is an error."""

_log = logging.getLogger(__name__)


class KafkaEventLog:
    """The EventLog of one Kafka broker or cluster. The `topic` of each call is a source's name; its `stream` is the topic.

    Args:
        url: `kafka://host:port[,host:port]?option=value`, see docs/reference/kafka.md.
        describe: what the log must know of a source, by name. Raises NotFoundError.
        clock: for `reserve`.

    Raises:
        SettingsError: the URL can't be used.
        StorageError: the broker can't be reached or refuses. Any call may raise it.
    """

    guarded = False

    def __init__(self, url: str, describe: Callable[[str], Stream], clock: Clock = system_clock) -> None:
        self._url = parse_url(url)
        self._broker = Broker(self._url)
        self._describe = describe
        self._clock = clock
        self._readers: dict[str, Reader] = {}
        self._reserved = 0
        self._dead = DeadLetters(self._broker)

    def close(self) -> None:
        """Give up the connections."""
        self._broker.close()

    def partitions(self, topic: str) -> tuple[int, ...]:
        """The partitions of a source's topic; none if it has no stream, or the topic doesn't exist."""
        stream = self._describe(topic)
        return () if stream.source.stream is None else tuple(range(self._broker.partition_count(stream.source.stream)))

    def append(self, topic: str, rows: pa.Table) -> list[LogBatch]:
        """Produce rows and return where they are, as runs without gaps. All replicas have them when this returns.

        Raises:
            NotFoundError: the topic doesn't exist.
            InvalidInputError: a row is larger than a message may be; nothing was produced.
            StorageError: the broker didn't take all of them; the message says how many.
        """
        if not rows.num_rows:
            return []
        reader = self._reader(topic)
        self.require_topic(topic)
        messages = reader.codec().encode(rows)
        sizes = [len(value) for value, _ in messages]
        if max(sizes) > reader.largest:
            row = sizes.index(max(sizes))
            size = f"a message of {max(sizes)} bytes; up to {reader.largest} are allowed"
            msg = f"row {row} for {topic!r} makes {size}; nothing was produced"
            raise InvalidInputError(msg)
        keys = _keys(reader.stream, rows) if reader.bits == 0 else [None] * len(messages)
        delivered = self._produce(reader, messages, keys, topic)
        return _runs(reader, rows, [count for _, count in messages], delivered)

    def reserve(self, topic: str, count: int) -> int:
        """Offsets for a batch, out of the order of arrival that the time gives; returns the first."""
        if count < 0:
            msg = f"can't reserve {count} offsets of {topic!r}; give a number >= 0"
            raise InvalidInputError(msg)
        first = max((self._clock() // 1000) << ARRIVAL_BITS, self._reserved)
        self._reserved = first + count
        return first

    def skip(self, topic: str, partition: int, through: int) -> None:
        """Nothing: the broker gives out the offsets."""

    def read(self, topic: str, partition: int, after: int) -> Iterator[LogBatch]:
        """The rows with offset > `after` up to the end of the partition as it is when the first is asked for, in order.

        Messages that aren't rows are passed over and told to the log of the process; `last` covers them.

        Raises:
            IntegrityError: offsets after `after` are gone from the topic, unless the URL says `lost=skip`.
        """
        reader = self._reader(topic)
        low, high = self._broker.watermarks(reader.topic, partition)
        wanted = (max(after, -1) + 1) >> reader.bits
        if 0 < wanted < low:
            self._lost(topic, partition, wanted, low)
        start = max(wanted, low)
        if start < high:
            yield from self._read(reader, partition, start, high, max(after + 1, start << reader.bits))

    def end(self, topic: str, partition: int) -> int:
        """The highest offset given out so far; -1 if none."""
        reader = self._reader(topic)
        return (self._broker.watermarks(reader.topic, partition)[1] << reader.bits) - 1

    def start(self, topic: str, partition: int) -> int:
        """The lowest offset that the topic still keeps."""
        reader = self._reader(topic)
        return self._broker.watermarks(reader.topic, partition)[0] << reader.bits

    def repair(self, topic: str) -> list[tuple[int, int]]:  # noqa: ARG002 - the broker mends itself
        """Nothing: replicas are the broker's."""
        return []

    def truncate(self, topic: str, partition: int, through: int) -> None:
        """Nothing: how long a topic keeps its messages is the topic's own setting."""

    def consumer(
        self,
        group: str,
        sources: Sequence[str],
        begin: Callable[[str, int], int],
        moved: Callable[[frozenset[Place]], None],
        stopping: Callable[[], bool],
    ) -> EventConsumer:
        """A member of a consumer group that reads the sources.

        Args:
            begin: the offset after which a partition is read that the group knows nothing of.
            moved: hears of (source, partition) pairs just before they go to another member.
            stopping: whether the member is to leave soon.
        """
        from headrace.events.group import GroupConsumer

        return GroupConsumer(self._broker, group, {name: self._reader(name) for name in sources}, begin, moved, stopping)

    def rivals(self, group: str, sources: Sequence[str]) -> list[str]:
        """Other consumer groups of ours with members that read the sources' topics now; none if the broker doesn't tell."""
        return sorted(self._broker.groups_on({self._reader(name).topic for name in sources}) - {group})

    def dead(self, topic: str) -> list[DeadLetter]:
        """The messages of a source that were set aside and not produced again since."""
        return self._dead.read(self._reader(topic))

    def replay(self, topic: str) -> tuple[int, int]:
        """Produce those messages again; returns how many were, and how many couldn't be because they weren't kept whole."""
        return self._dead.replay(self._reader(topic))

    def create_topic(self, topic: str, partitions: int) -> bool:
        """Make a source's topic; False if it was there."""
        return self._broker.create_topic(topic_of(self._describe(topic)), partitions)

    def require_topic(self, topic: str) -> None:
        """Raises NotFoundError, with the command that makes it, if a source's topic doesn't exist."""
        name = self._reader(topic).topic
        if not self._broker.partition_count(name):
            msg = (
                f"topic {name!r} of source {topic!r} doesn't exist on {self._url.servers}; "
                f"make it with: headrace ingest {topic} --create-topics"
            )
            raise NotFoundError(msg)

    def _reader(self, source: str) -> Reader:
        stream = self._describe(source)
        known = self._readers.get(source)
        if known is None or known.stream != stream:  # the source was changed
            known = self._readers[source] = Reader(self._url, stream, topic_of(stream))
        return known

    def _lost(self, topic: str, partition: int, wanted: int, low: int) -> None:
        gone = f"offsets {wanted} to {low - 1} of partition {partition}"
        text = f"{gone} of source {topic!r} are gone from its topic and not in the lake"
        if self._url.option("lost", topic) == "refuse":
            msg = f"{text}: it keeps less than the ingest was down. To go on without them add lost=skip to the setting 'events'"
            raise IntegrityError(msg)
        _log.warning("%s; going on without them", text)

    def _read(self, reader: Reader, partition: int, start: int, high: int, first: int) -> Iterator[LogBatch]:
        from confluent_kafka import TopicPartition

        with self._broker.reader() as consumer, self._broker.answering():
            consumer.assign([TopicPartition(reader.topic, partition, start)])
            try:
                while start < high:
                    messages, start = _consume(consumer, min(READ_MESSAGES, high - start), start)
                    whole = [message for message in messages if message.offset() < high]
                    end = (min(start, high) << reader.bits) - 1
                    if end < first:
                        continue
                    batch = self._batch(reader, partition, first, whole, end)
                    yield batch
                    first = batch.last + 1
            finally:
                consumer.unassign()

    def _batch(self, reader: Reader, partition: int, first: int, messages: list[Any], end: int) -> LogBatch:
        import pyarrow as pa

        if not messages:  # only markers of transactions
            rows = reader.finished(reader.codec().decode([])[0], np.empty(0, np.int64), np.empty(0, np.int64))
            return LogBatch(partition, first, rows, end, pa.array([], pa.int64()))
        batch, refused, _ = reader.batch(partition, first, messages)
        if refused:
            _tell(reader, refused)
        return LogBatch(partition, first, batch.rows, max(end, batch.last), batch.offsets)

    def _produce(self, reader: Reader, messages: list[tuple[bytes, int]], keys: list[bytes | None], topic: str) -> list[Any]:
        """Produce all messages and wait; returns (partition, offset, time in ms) of each."""
        producer = self._broker.producer
        headers = [(CONTENT_TYPE, reader.content_type.encode())]
        found: list[Any] = [None] * len(messages)
        left = len(messages)

        def note(place: int) -> Callable[[Any, Any], None]:
            def delivered(error: Any, message: Any) -> None:
                nonlocal left
                left -= 1
                found[place] = error or (message.partition(), message.offset(), message.timestamp()[1])

            return delivered

        for place, ((value, _), key) in enumerate(zip(messages, keys, strict=True)):
            while True:
                try:
                    producer.produce(reader.topic, value, key, on_delivery=note(place), headers=headers)
                    break
                except BufferError:
                    producer.poll(WAIT)
                except Exception as error:  # noqa: BLE001 - whatever the client has against this message
                    left -= 1
                    found[place] = error
                    break
        while left:
            producer.poll(WAIT if left > 1 else 0.005)
        failed = [place for place, item in enumerate(found) if not isinstance(item, tuple)]
        if failed:
            raise StorageError(self._undelivered(topic, messages, found, failed))
        return found

    def _undelivered(self, topic: str, messages: list[tuple[bytes, int]], found: list[Any], failed: list[int]) -> str:
        rows = sum(count for _, count in messages)
        lost = sum(messages[place][1] for place in failed)
        first = found[failed[0]]
        reason = first.str() if hasattr(first, "str") else str(first)
        return (
            f"{lost} of {rows} rows for {topic!r} weren't taken by the Kafka broker at {self._url.servers} ({reason}); "
            f"the other {rows - lost} are in the topic and will count. Check the broker, then push those {lost} again"
        )


def _consume(consumer: Any, most: int, start: int) -> tuple[list[Any], int]:
    """Messages from offset `start` on, and where to go on. At the end of the partition it goes past what holds no message."""
    from confluent_kafka import KafkaError, KafkaException

    deadline = time.monotonic() + STALLED
    while time.monotonic() < deadline:
        found, messages, end = consumer.consume(most, WAIT), [], start
        for item in found:
            error = item.error()
            if error is None:
                messages.append(item)
                end = item.offset() + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - it has no other name
                end = max(end, item.offset())
            else:
                raise KafkaException(error)
        if end > start:
            return messages, end
    msg = f"no message came within {STALLED:.0f} s"
    raise TimeoutError(msg)


def _keys(stream: Stream, rows: pa.Table) -> list[Any]:
    """The key of each row's message: the text of its one key column, or of several as a JSON list; None without any."""
    columns = [rows.column(name).to_pylist() for name in stream.key]
    if not columns:
        return [None] * rows.num_rows
    if len(columns) == 1:
        return [None if value is None else _text(value) for value in columns[0]]
    return [
        orjson.dumps([value.decode("latin-1") if isinstance(value, bytes) else value for value in row])
        for row in zip(*columns, strict=True)
    ]


def _text(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _runs(reader: Reader, rows: pa.Table, counts: list[int], delivered: list[tuple[int, int, int]]) -> list[LogBatch]:
    """The produced rows by partition, cut where others' messages lie between."""
    import pyarrow as pa

    where = np.array(delivered, np.int64)
    order = np.lexsort((where[:, 1], where[:, 0]))
    starts = np.concatenate([[0], np.cumsum(counts)])
    ordered = where[order]
    breaks = np.flatnonzero((np.diff(ordered[:, 0]) != 0) | (np.diff(ordered[:, 1]) != 1)) + 1
    own = rows.select(list(reader.stream.source.schema))
    found = []
    for begin, end in pairwise([0, *breaks.tolist(), len(order)]):
        messages = order[begin:end]
        taken = np.concatenate([np.arange(starts[place], starts[place + 1]) for place in messages])
        sizes = starts[messages + 1] - starts[messages]
        offsets = np.repeat(ordered[begin:end, 1] << reader.bits, sizes)
        if reader.bits:
            offsets += np.concatenate([np.arange(size) for size in sizes])
        batch = reader.finished(own.take(pa.array(taken)), np.repeat(ordered[begin:end, 2], sizes), offsets)
        first, last = int(ordered[begin, 1]) << reader.bits, ((int(ordered[end - 1, 1]) + 1) << reader.bits) - 1
        found.append(LogBatch(int(ordered[begin, 0]), first, batch, last, pa.array(offsets)))
    return found


def _tell(reader: Reader, refused: list[Refused]) -> None:
    first = refused[0]
    _log.warning(
        "%d messages of topic %r aren't rows of source %r and were passed over; the first at partition %d offset %d: %s",
        len(refused),
        reader.topic,
        reader.stream.source.name,
        first.partition,
        first.offset,
        first.reason,
    )
