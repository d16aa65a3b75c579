"""Streams that others write to: workers that take them in, topics, dead letters, and how far behind everything is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.arguments import checked
from headrace.catalog.service import Catalog
from headrace.errors import InvalidInputError, NotFoundError, SettingsError
from headrace.events.log import EventLog
from headrace.features.admission import Admission
from headrace.features.feed import Feed
from headrace.features.ingest import Ingest
from headrace.features.online import OnlineGroups

if TYPE_CHECKING:
    from headrace.events.log import DeadLetter
    from headrace.features.worker import Progressed, Worker, WorkerOptions

__all__ = ["Lag", "Topics"]


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a partition of a source's stream has come.

    Attributes:
        end: the newest offset in the log; -1 if there is none.
        committed: the newest that the lake holds.
        applied: group version to the newest that its online values reflect.
    """

    source: str
    partition: int
    end: int
    committed: int
    applied: Mapping[str, int]


@checked()
class Topics:
    """The streams of a project."""

    def __init__(self, catalog: Catalog, ingest: Ingest, feed: Feed, log: EventLog, groups: OnlineGroups, project: str) -> None:
        self._catalog = catalog
        self._ingest = ingest
        self._feed = feed
        self._log = log
        self._groups = groups
        self.default_group = f"headrace-{project}"

    def sources(self, names: Sequence[str] = ()) -> list[str]:
        """The sources with a stream, or those named.

        Raises:
            NotFoundError: a name is unknown, or no source has a stream.
            InvalidInputError: one that is named has no stream.
        """
        if not names:
            found = [source.name for source in self._catalog.sources() if source.stream is not None]
            if not found:
                msg = "no source has a stream; declare one with EventSource(…, stream='TOPIC'), then: headrace apply"
                raise NotFoundError(msg)
            return found
        for name in names:
            if self._catalog.source(name).stream is None:
                msg = f"source {name!r} has no stream; declare it with stream='TOPIC', then: headrace apply"
                raise InvalidInputError(msg)
        return list(dict.fromkeys(names))

    def worker(
        self, names: Sequence[str], options: WorkerOptions, tell: Callable[[Progressed], None] = lambda _done: None
    ) -> Worker:
        """A worker that takes in the streams of these sources.

        Raises:
            SettingsError: the project's event log has no consumers.
            NotFoundError: a topic doesn't exist; the message names the command that makes it.
        """
        from headrace.features.worker import Worker

        log = self._admission()
        for name in names:
            log.stream.require_topic(name)
        return Worker(self._catalog, self._ingest, self._feed, log, names, options, tell)

    def create_topics(self, names: Sequence[str], partitions: int) -> list[str]:
        """Make the topics of sources that don't exist yet; returns the sources whose topics were made."""
        log = self._admission()
        return [name for name in names if log.stream.create_topic(name, partitions)]

    def dead(self, name: str) -> list[DeadLetter]:
        """The messages of a source that were set aside with a reason, and not produced again since."""
        return self._admission().stream.dead(self.sources([name])[0])

    def replay(self, name: str) -> tuple[int, int]:
        """Produce those messages to their topic again; returns how many were, and how many weren't kept whole."""
        return self._admission().stream.replay(self.sources([name])[0])

    def lags(self) -> list[Lag]:
        """How far each partition of each source's stream has come. Costs a question to the log and the store for each."""
        found = []
        for source in self._catalog.sources():
            snapshot = self._ingest.table(source).snapshot()
            statuses = {group.id: self._groups.status(group).applied for group in self._ingest.live_groups(source)}
            for partition in self._log.partitions(source.name):
                applied = {group: positions.get(partition, -1) for group, positions in statuses.items()}
                end = self._log.end(source.name, partition)
                found.append(Lag(source.name, partition, end, snapshot.committed(partition), applied))
        return found

    def _admission(self) -> Admission:
        if not isinstance(self._log, Admission):
            msg = (
                "the setting 'events' is a folder: a push brings rows in by itself, and there is no stream to take in. "
                'To read one from Kafka set: events = "kafka://HOST:PORT"'
            )
            raise SettingsError(msg)
        return self._log
