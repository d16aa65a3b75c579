"""The dead-letter topics: messages that can't be used, kept beside their topic with the reason, and produced again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from headrace.errors import StorageError
from headrace.events.broker import PATIENCE, Broker
from headrace.events.log import DeadLetter, Refused
from headrace.events.messages import Reader

__all__ = ["DeadLetters"]

SUFFIX = ".dead"
LARGEST = 900_000
"""Bytes of a message that are kept: what brokers take by default, less room for headers."""
HANDLED = "headrace-dead-letters"
"""The consumer group whose offsets say what was produced again."""
PREFIX = "headrace-"


class DeadLetters:
    """The dead letters of a broker's topics. `<topic>.dead` has one partition and is made when the first comes."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def keep(self, reader: Reader, messages: Sequence[Refused]) -> None:
        """Set messages aside. They are durable when this returns; one that is set aside again counts once when read.

        Raises:
            StorageError: the broker doesn't take them.
        """
        if not messages:
            return
        topic = reader.topic + SUFFIX
        self._broker.create_topic(topic, 1)
        source = reader.stream.source.name
        rows = [
            (item.key, (item.value or b"")[:LARGEST] if item.value is not None else None, _headers(source, item))
            for item in messages
        ]
        self._produce(topic, rows)

    def read(self, reader: Reader) -> list[DeadLetter]:
        """What was set aside and not produced again since, oldest first; each message once."""
        found: dict[tuple[int, int], DeadLetter] = {}
        for message in self._messages(reader.topic + SUFFIX):
            letter = _letter(message)
            found[letter.partition, letter.offset] = letter
        return list(found.values())

    def replay(self, reader: Reader) -> tuple[int, int]:
        """Produce what was set aside once more to its topic, for the ingest to try again; returns (produced, not kept whole).

        A crash before the end may produce some twice: sources with `id=` count them once.
        """
        letters = self.read(reader)
        whole = [letter for letter in letters if letter.whole]
        self._produce(reader.topic, [(letter.key, letter.value, list(letter.headers)) for letter in whole])
        self._handled(reader.topic + SUFFIX)
        return len(whole), len(letters) - len(whole)

    def _produce(self, topic: str, rows: Sequence[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]]) -> None:
        producer, failures, left = self._broker.producer, [], len(rows)

        def delivered(error: Any, _message: Any) -> None:
            nonlocal left
            left -= 1
            if error is not None:
                failures.append(error)

        for key, value, headers in rows:
            while True:
                try:
                    producer.produce(topic, value, key, headers=headers, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.05)
        while left:
            producer.poll(0.01)
        if failures:
            lost = f"{len(failures)} of {len(rows)} messages weren't taken for topic {topic!r}: {failures[0].str()}"
            msg = f"{lost}; check the broker, then try again"
            raise StorageError(msg)

    def _messages(self, topic: str) -> Iterator[Any]:
        from confluent_kafka import TopicPartition

        low, high = self._broker.watermarks(topic, 0)
        with self._broker.answering():
            start = max(low, self._committed(topic))
        if start >= high:
            return
        deadline = time.monotonic() + PATIENCE
        with self._broker.reader() as consumer, self._broker.answering():
            consumer.assign([TopicPartition(topic, 0, start)])
            try:
                while start < high and time.monotonic() < deadline:
                    for message in consumer.consume(min(1000, high - start), 0.1):
                        start = max(start, int(message.offset() or 0) + (message.error() is None))
                        if message.error() is None:
                            yield message
            finally:
                consumer.unassign()

    def _committed(self, topic: str) -> int:
        from confluent_kafka import TopicPartition

        consumer = self._broker.make("Consumer", group_id=HANDLED, enable_auto_commit=False)
        try:
            return int(consumer.committed([TopicPartition(topic, 0)], timeout=PATIENCE)[0].offset)
        finally:
            consumer.close()

    def _handled(self, topic: str) -> None:
        from confluent_kafka import TopicPartition

        _, high = self._broker.watermarks(topic, 0)
        consumer = self._broker.make("Consumer", group_id=HANDLED, enable_auto_commit=False)
        try:
            with self._broker.answering():
                if high:
                    consumer.commit(offsets=[TopicPartition(topic, 0, high)], asynchronous=False)
        finally:
            consumer.close()


def _headers(source: str, item: Refused) -> list[tuple[str, bytes]]:
    own = {
        "source": source,
        "partition": str(item.partition),
        "offset": str(item.offset),
        "reason": item.reason,
        "size": str(len(item.value or b"")),
    }
    kept = [(name, value) for name, value in item.headers.items() if not name.startswith(PREFIX)]
    return [*kept, *((PREFIX + name, value.encode()) for name, value in own.items())]


def _letter(message: Any) -> DeadLetter:
    headers = {name: value or b"" for name, value in message.headers() or ()}
    own = {
        name.removeprefix(PREFIX): value.decode(errors="replace") for name, value in headers.items() if name.startswith(PREFIX)
    }
    return DeadLetter(
        own.get("source", ""),
        int(own.get("partition", "-1")),
        int(own.get("offset", str(message.offset()))),
        own.get("reason", "unknown: another program wrote this message"),
        int(own.get("size", len(message.value() or b""))),
        message.key(),
        message.value(),
        tuple((name, value) for name, value in headers.items() if not name.startswith(PREFIX)),
        message.timestamp()[1] * 1000,
    )
