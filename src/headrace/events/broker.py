"""What a `kafka://` URL says, and the clients of the broker that it names: metadata, watermarks, topics, and their errors."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from headrace.errors import MissingExtraError, NotFoundError, SettingsError, StorageError
from headrace.events.payload import FORMATS, ROW_BITS, TIME_UNITS
from headrace.forks import forgets_in_children

if TYPE_CHECKING:
    from confluent_kafka import Consumer

__all__ = ["OPTIONS", "PATIENCE", "Broker", "KafkaUrl", "guarded", "parse_url"]

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "format": FORMATS,
    "time": tuple(TIME_UNITS),
    "missing": ("refuse", "null"),
    "lost": ("refuse", "skip"),
    "schema": (),
    "largest": (),
}
"""Our own options of the URL and the values they take; `NAME.SOURCE` says it for one source. All others are librdkafka's."""
DEFAULTS: Mapping[str, str] = {
    "format": "json",
    "time": "",
    "missing": "refuse",
    "lost": "refuse",
    "schema": "",
    "largest": "1048576",
}
GROUP_PREFIX = "headrace-"
PATIENCE = 10.0
"""Seconds that the broker may take to answer a question."""
METADATA_AGE = 10.0
"""Seconds for which the number of partitions is remembered."""

_log = logging.getLogger(__name__)
_client_log = logging.getLogger("headrace.kafka.client")
_client_log.addHandler(logging.NullHandler())
_client_log.setLevel(
    logging.CRITICAL + 1
)  # librdkafka tells every lost connection, again and again; our errors tell what matters


@dataclass(frozen=True, slots=True)
class KafkaUrl:
    """A parsed `kafka://` URL.

    Attributes:
        servers: `host:port,host:port`.
        client: librdkafka's properties: `security.protocol`, `sasl.…`, `ssl.…`, `linger.ms`, …
        options: our own, by name or `NAME.SOURCE`.
    """

    servers: str
    client: Mapping[str, str]
    options: Mapping[str, str]

    def option(self, name: str, source: str) -> str:
        """The value of one of OPTIONS for a source."""
        return self.options.get(f"{name}.{source}", self.options.get(name, DEFAULTS[name]))

    def row_bits(self, source: str) -> int:
        """How many low bits of an offset number the rows of one message."""
        return ROW_BITS if self.option("format", source) == "arrow" else 0


def parse_url(url: str) -> KafkaUrl:
    """Read `kafka://[user:password@]host:port[,host:port]?option=value&…`. `${NAME}` in a value is an environment variable's.

    Raises:
        SettingsError: it names no broker, or an option has a value that can't be.
    """
    parts = urlsplit(url)
    login, _, servers = parts.netloc.rpartition("@")
    if parts.scheme != "kafka" or not servers or parts.path.strip("/"):
        msg = f"setting 'events' is {_without_login(url)!r}; write kafka://HOST:PORT[,HOST:PORT][?OPTION=VALUE&…]"
        raise SettingsError(msg)
    client: dict[str, str] = {}
    options: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        own = name if name in OPTIONS else name.partition(".")[0]
        if own in OPTIONS:
            options[name] = os.path.expandvars(value)
            _check_option(own, name, options[name])
        else:
            client[name] = os.path.expandvars(value)
    if login:
        user, _, password = login.partition(":")
        client = {"security.protocol": "SASL_SSL", "sasl.mechanisms": "PLAIN", **client}
        client |= {"sasl.username": os.path.expandvars(unquote(user)), "sasl.password": os.path.expandvars(unquote(password))}
    return KafkaUrl(servers, client, options)


class Broker:
    """Connections to a broker. Threads may share it. Nothing is connected before it is used.

    Raises (any call):
        StorageError: the broker can't be reached, or refuses.
        SettingsError: librdkafka doesn't take a property of the URL.
        MissingExtraError: confluent-kafka isn't installed.
    """

    def __init__(self, url: KafkaUrl) -> None:
        self.url = url
        self._idle: dict[str, list[Consumer]] = {}
        self._lock = threading.Lock()
        self._producer: Any = None
        self._counts: dict[str, tuple[float, int]] = {}
        self._last_error = ""
        forgets_in_children(self)

    def forget(self) -> object:
        """Leave its clients to a parent process, whose threads they work with; the next call makes others."""
        left = self._idle, self._producer
        self._idle, self._lock, self._producer = {}, threading.Lock(), None
        return left

    def properties(self, **more: Any) -> dict[str, Any]:
        """A client's configuration; the URL's properties come last."""
        return {
            "bootstrap.servers": self.url.servers,
            "client.id": "headrace",
            "error_cb": self._note,
            "log.connection.close": False,
            **{name.replace("_", "."): value for name, value in more.items()},
            **self.url.client,
        }

    def make(self, kind: str, **more: Any) -> Any:
        """A client: "Producer", "Consumer" or "AdminClient"."""
        try:
            import confluent_kafka
            from confluent_kafka.admin import AdminClient
        except ImportError as error:
            package = "confluent-kafka"
            raise MissingExtraError.of(package, "kafka") from error
        make = AdminClient if kind == "AdminClient" else getattr(confluent_kafka, kind)
        try:
            return make(self.properties(**more), logger=_client_log)
        except (confluent_kafka.KafkaException, ValueError, TypeError) as error:
            msg = f"setting 'events': Kafka's client doesn't take the URL's options: {_text(error)}"
            raise SettingsError(msg) from error

    @property
    def producer(self) -> Any:
        """The producer: every message once, in order, acknowledged by all replicas."""
        with self._lock:
            if self._producer is None:
                self._producer = self.make(
                    "Producer",
                    enable_idempotence=True,
                    acks="all",
                    linger_ms=2,
                    partitioner="murmur2_random",  # as Java's clients
                    message_timeout_ms=30_000,
                )
            return self._producer

    @contextmanager
    def reader(self, group: str = "headrace-reader") -> Iterator[Consumer]:
        """A consumer for one thread that joins no group; it may ask what a group has committed."""
        with self._lock:
            idle = self._idle.setdefault(group, [])
            consumer = idle.pop() if idle else None
        if consumer is None:
            consumer = self.make(
                "Consumer",
                group_id=group,  # never joined: partitions are assigned, nothing is committed
                enable_auto_commit=False,
                enable_partition_eof=True,
                auto_offset_reset="error",
                fetch_wait_max_ms=2,  # a request that waits holds up the next one of the same connection
            )
        try:
            yield consumer
        except BaseException:
            consumer.close()
            raise
        with self._lock:
            idle.append(consumer)

    def partition_count(self, topic: str) -> int:
        """The number of partitions of a topic; 0 if there is no such topic."""
        known = self._counts.get(topic)
        if known is not None and time.monotonic() - known[0] < METADATA_AGE:
            return known[1]
        with self.reader() as consumer, self.answering():
            # All topics: asking for one that doesn't exist makes it, on brokers that are set up so.
            found = consumer.list_topics(timeout=PATIENCE).topics.get(topic)
        count = 0 if found is None or found.error is not None else len(found.partitions)
        if count:
            self._counts[topic] = time.monotonic(), count
        return count

    def watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        """The lowest offset that is kept and the one after the highest; (0, 0) if there is no such topic.

        Raises:
            NotFoundError: the topic has no such partition.
        """
        from confluent_kafka import TopicPartition

        count = self.partition_count(topic)
        if not count:
            return 0, 0
        if not 0 <= partition < count:
            kind = f"partition of topic {topic!r}"
            raise NotFoundError.of(kind, str(partition), map(str, range(count)))
        place = TopicPartition(topic, partition)
        with self.reader() as consumer, self.answering():
            low, high = consumer.get_watermark_offsets(place, timeout=PATIENCE)
            if high > low:
                # Brokers were seen that answer with the beginning of the last batch. What comes with a fetch is the true end.
                consumer.assign([TopicPartition(topic, partition, high - 1)])
                consumer.consume(1, PATIENCE)
                high = max(high, consumer.get_watermark_offsets(place, cached=True)[1])
                consumer.unassign()
        return max(low, 0), max(high, 0)

    def create_topic(self, topic: str, partitions: int) -> bool:
        """Make a topic, with the broker's own replication; False if it was there."""
        from confluent_kafka.cimpl import NewTopic

        if self.partition_count(topic):
            return False
        with self.answering():
            admin = self.make("AdminClient")
            for done in admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=-1)]).values():
                done.result(timeout=PATIENCE)
        return True

    def groups_on(self, topics: set[str]) -> set[str]:
        """The consumer groups of ours that have members with partitions of these topics; empty if the broker doesn't tell."""
        from confluent_kafka import KafkaException

        try:
            admin = self.make("AdminClient")
            listed = admin.list_consumer_groups(request_timeout=PATIENCE).result(timeout=PATIENCE).valid
            ours = [item.group_id for item in listed if item.group_id.startswith(GROUP_PREFIX)]
            if not ours:
                return set()
            described = admin.describe_consumer_groups(ours, request_timeout=PATIENCE)
            groups = [future.result(timeout=PATIENCE) for future in described.values()]
        except (KafkaException, TimeoutError) as error:
            _log.debug("the broker doesn't tell its consumer groups: %s", error)
            return set()
        parts = ((group.group_id, part) for group in groups for member in group.members for part in _parts(member))
        return {name for name, part in parts if part.topic in topics}

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn the client's errors into StorageError."""
        with guarded(self.url.servers, lambda: self._last_error):
            yield

    def close(self) -> None:
        """Give up all connections."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for consumer in chain.from_iterable(idle.values()):
            consumer.close()
        if self._producer is not None:
            self._producer.flush(PATIENCE)

    def _note(self, error: Any) -> None:
        self._last_error = error.str()


@contextmanager
def guarded(servers: str, detail: Callable[[], str] = str) -> Iterator[None]:
    """Turn the client's errors into StorageError; `detail` says what went wrong last on the connection."""
    from confluent_kafka import KafkaException

    try:
        yield
    except (KafkaException, TimeoutError) as error:
        reason = detail()
        known = "" if not reason or reason in _text(error) else f" ({reason})"
        msg = f"the Kafka broker at {servers} fails: {_text(error)}{known}; check that it runs, and the setting 'events'"
        raise StorageError(msg) from error


def _parts(member: Any) -> list[Any]:
    return [] if member.assignment is None else list(member.assignment.topic_partitions)


def _check_option(own: str, name: str, value: str) -> None:
    allowed = OPTIONS[own]
    if (allowed and value not in allowed) or (own == "largest" and not value.isdecimal()):
        valid = f"one of {', '.join(allowed)}" if allowed else "a number of bytes"
        msg = f"setting 'events': the URL's option {name!r} is {value!r}; give {valid}"
        raise SettingsError(msg)


def _text(error: BaseException) -> str:
    """The client's own words, without the code around them."""
    inner = error.args[0] if error.args else error
    return str(inner.str()) if hasattr(inner, "str") else str(inner)


def _without_login(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://…@{tail}" if at else url
