"""A member of a Kafka consumer group: the partitions of several sources, shared by any number of processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from threading import Thread
from typing import Any

from headrace.errors import IntegrityError, StorageError
from headrace.events.broker import PATIENCE, Broker
from headrace.events.dead import DeadLetters
from headrace.events.log import LogBatch, Place, Polled, Refused
from headrace.events.messages import Reader, refusal

__all__ = ["GroupConsumer"]

COOPERATIVE = "cooperative-sticky"
NOTICE = 0.1
"""Seconds within which a stop is noticed."""
ASKED = 6
"""So often a broker is asked where a partition goes on, each time for as long as it may take to answer."""

_log = logging.getLogger(__name__)


class GroupConsumer:
    """The EventConsumer of a Kafka consumer group. Messages come from where the group is; without it, from where `begin` says.

    Args:
        readers: source to what reads its messages.
        begin: the offset after which a partition is read of which the group knows nothing.
        moved: hears of partitions that go to another member, before they do.
        stopping: whether this member is to leave soon: then no broker is waited for that doesn't say where partitions go on.
    """

    def __init__(
        self,
        broker: Broker,
        group: str,
        readers: Mapping[str, Reader],
        begin: Callable[[str, int], int],
        moved: Callable[[frozenset[Place]], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._broker = broker
        self._group = group
        self._stopping = stopping
        self._readers = dict(readers)
        self._sources = {reader.topic: name for name, reader in readers.items()}
        self._begin = begin
        self._moved = moved
        self._next: dict[Place, int] = {}
        self._paused = self._leaving = False
        self._failure: BaseException | None = None
        self._dead = DeadLetters(broker)
        self._whole = broker.url.client.get("partition.assignment.strategy", COOPERATIVE) != COOPERATIVE
        self._consumer = broker.make(
            "Consumer",
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="error",  # an offset that is gone is lost data, not a reason to start anew
            partition_assignment_strategy=COOPERATIVE,
            session_timeout_ms=10_000,  # so long after its death a member's partitions go to others
            heartbeat_interval_ms=1_000,  # so soon members hear that others come and go; twice, for what moves is first given up
            fetch_wait_max_ms=50,
            queued_max_messages_kbytes=16_384,  # what is fetched ahead is bounded; the broker keeps the rest
            metadata_max_age_ms=10_000,  # new partitions are found within
            topic_metadata_refresh_interval_ms=10_000,
        )
        with broker.answering():
            self._consumer.subscribe(list(self._sources), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)

    def poll(self, most: int, seconds: float) -> list[Polled]:
        """Up to `most` messages, one Polled a partition; waits up to `seconds` for the first, and for no other."""
        with self._broker.answering():
            first = self._consumer.poll(seconds)
            messages = [] if first is None else [first, *self._consumer.consume(most - 1, 0)]
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        by_place: dict[Place, list[Any]] = {}
        for message in messages:
            if message.error() is not None:
                self._judge(message.error())
                continue
            by_place.setdefault((self._sources[message.topic()], message.partition()), []).append(message)
        # A partition may have moved away in the same call that still brought messages of it.
        return [self._polled(place, found) for place, found in by_place.items() if place in self._next]

    def pause(self, *, paused: bool) -> None:
        """Stop taking messages, and stay a member as long as `poll` is called; or go on."""
        if paused != self._paused:
            self._paused = paused
            change = self._consumer.pause if paused else self._consumer.resume
            with self._broker.answering():
                change(self._consumer.assignment())

    def commit(self, positions: Mapping[Place, int]) -> None:
        """Note for the group that everything up to these offsets is done."""
        from confluent_kafka import KafkaException, TopicPartition

        done = []
        for (source, partition), last in positions.items():
            reader = self._readers[source]
            done.append(TopicPartition(reader.topic, partition, (last + 1) >> reader.bits))
        try:
            if done:
                self._consumer.commit(offsets=done, asynchronous=False)
        except KafkaException as error:  # the group moved on without this member: the next owner repeats a little
            _log.info("the group's offsets weren't moved: %s", error)

    def refuse(self, source: str, messages: Sequence[Refused]) -> None:
        """Keep messages in the dead-letter topic with their reasons."""
        self._dead.keep(self._readers[source], messages)

    def lag(self) -> dict[Place, int]:
        """How many messages of each assigned partition are still to come, as far as the client has heard."""
        from confluent_kafka import TopicPartition

        found = {}
        for (source, partition), following in self._next.items():
            reader = self._readers[source]
            _, high = self._consumer.get_watermark_offsets(TopicPartition(reader.topic, partition), cached=True)
            found[source, partition] = max(0, high - (following >> reader.bits))
        return found

    def close(self) -> None:
        """Leave the group."""
        self._leaving = True
        self._consumer.close()

    def _polled(self, place: Place, messages: list[Any]) -> Polled:
        source, partition = place
        reader = self._readers[source]
        batch, refused, rows = reader.batch(partition, self._next[place], messages)
        self._next[place] = batch.last + 1
        return Polled(source, batch, refused, _Origins(reader, batch, messages, rows))

    def _assign(self, consumer: Any, partitions: list[Any]) -> None:
        """Called within poll. What the group committed comes first, then what the lake holds."""
        try:
            # Called within close, to ask a broker that is busy with it would hold up the others for a minute.
            known = None if self._leaving else self._known(partitions)
            if known is None:
                (consumer.assign if self._whole else consumer.incremental_assign)(partitions)
                return
            for item in known:
                source = self._sources[item.topic]
                self._next[source, item.partition] = item.offset << self._readers[source].bits
            (consumer.assign if self._whole else consumer.incremental_assign)(known)
            # The client remembers of a partition that comes back that it was paused.
            (consumer.pause if self._paused else consumer.resume)(known)
        except Exception as error:  # noqa: BLE001 - raised by poll, which the client calls this within
            self._failure = error

    def _known(self, partitions: list[Any]) -> list[Any] | None:
        """Where each partition goes on; None if this member is to leave before the broker has told that."""
        answer: Future[list[Any]] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._asked(partitions))
            except BaseException as error:  # noqa: BLE001 - raised where the answer is waited for
                answer.set_exception(error)

        Thread(target=ask, name="headrace-group", daemon=True).start()
        while not wait([answer], NOTICE).done:
            if self._stopping():
                return None
        return answer.result()

    def _asked(self, partitions: list[Any]) -> list[Any]:
        """What the broker tells. One that is busy, as it is while members come and go, is asked again."""
        for attempt in range(1, ASKED + 1):
            try:
                # Not through this member's own client: that may be closed while nobody waits for the answer any more.
                with self._broker.reader(self._group) as reader, self._broker.answering():
                    known: list[Any] = reader.committed(partitions, timeout=PATIENCE)
                for item in known:
                    self._begin_at(item)
            except StorageError as error:
                if attempt == ASKED or self._stopping():
                    raise
                _log.warning("the partitions of a group can't be read yet: %s", error)
            else:
                return known
        raise AssertionError

    def _begin_at(self, item: Any) -> None:
        source = self._sources[item.topic]
        bits = self._readers[source].bits
        low, high = self._broker.watermarks(item.topic, item.partition)
        if item.offset < 0:
            after = self._begin(source, item.partition)
            item.offset = max(low, (after + 1) >> bits) if after < 0 else (after + 1) >> bits
        _refuse_beyond(source, item, high)

    def _revoke(self, consumer: Any, partitions: list[Any]) -> None:
        gone = {(self._sources[item.topic], item.partition) for item in partitions}
        try:
            self._moved(frozenset(gone & set(self._next)))
            if self._whole:
                consumer.unassign()
            else:
                consumer.incremental_unassign(partitions)
        except Exception as error:  # noqa: BLE001 - as above
            self._failure = error
        for place in gone:
            self._next.pop(place, None)

    def _judge(self, error: Any) -> None:
        """An error that came in place of a message: passing ones are told, others raised."""
        from confluent_kafka import KafkaError

        code = error.code()
        if code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001 - it has no other name
            msg = (
                f"offsets that the group still had to read are gone from their topic: {error.str()}. The topic's retention is "
                "shorter than the ingest was down; to go on without them add lost=skip to the setting 'events'"
            )
            raise IntegrityError(msg)
        if error.fatal():
            msg = f"the Kafka broker refuses this member of the group: {error.str()}"
            raise StorageError(msg)
        _log.warning("Kafka: %s", error.str())


class _Origins(Sequence[Refused]):
    """The message of each row, made a value when somebody asks. Of a message with many rows it is a message of that row."""

    def __init__(self, reader: Reader, batch: LogBatch, messages: Sequence[Any], places: Any) -> None:
        self._reader = reader
        self._batch = batch
        self._messages = messages
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: Any) -> Any:
        found = refusal(self._batch.partition, self._messages[int(self._places[row])], "", self._reader.bits)
        if not self._reader.bits or self._batch.offsets is None:
            return found
        value = self._reader.codec().encode(self._batch.rows.slice(row, 1))[0][0]
        return replace(found, offset=self._batch.offsets[row].as_py(), value=value)


def _refuse_beyond(source: str, item: Any, high: int) -> None:
    if item.offset > high:
        msg = (
            f"the group or the lake has offsets up to {item.offset - 1} of partition {item.partition} of source {source!r}, but "
            f"topic {item.topic!r} ends at {high - 1}: it was made anew, or the broker lost data. Give the source another"
        )
        raise IntegrityError(msg)
