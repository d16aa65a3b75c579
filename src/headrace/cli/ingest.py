"""The verbs of streams: take them in, and look at what couldn't be taken in."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.output import Answer, Table, note
from headrace.cli.values import moment
from headrace.cli.verb import Session, Verb, verb
from headrace.definitions.plain import plain
from headrace.errors import StorageError
from headrace.progress import bar

if TYPE_CHECKING:
    from headrace.events.log import DeadLetter
    from headrace.features.worker import Progressed

__all__ = ["VERBS", "DefaultCommand", "dead", "run"]

MAIN = "from headrace.cli import main; main()"
PAUSE = 1.0
"""Seconds before a worker that died is started again."""
QUICK = 10.0
"""A worker that dies within so many seconds of its start, several times in a row, wouldn't live if it were started again."""

Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SOURCE]...", help="Sources with a stream. Default: every one.", show_default=False),
]


class DefaultCommand(typer.core.TyperGroup):
    """A group whose first command is meant where none is named: `headrace ingest ratings` is `headrace ingest run ratings`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name before arguments that begin with none."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


@verb(
    "run",
    "headrace ingest run",
    "headrace ingest run ratings --create-topics",
    "headrace ingest run --workers 4 --flush-seconds 30",
)
def run(
    session: Session,
    sources: Sources = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=1024, help="Processes that share the partitions.")] = 1,
    group: Annotated[
        str | None,
        typer.Option("--group", help="The consumer group. Default: headrace- and the project folder's name.", show_default=False),
    ] = None,
    max_rows: Annotated[int, typer.Option("--max-rows", min=1, help="The most messages to bring online in one step.")] = 5_000,
    flush_rows: Annotated[int, typer.Option("--flush-rows", min=1, help="Write to the lake after this many rows.")] = 100_000,
    flush_seconds: Annotated[
        float, typer.Option("--flush-seconds", min=0.1, help="Write to the lake after this many seconds in any case.")
    ] = 10.0,
    create_topics: Annotated[bool, typer.Option("--create-topics", help="First create the topics that don't exist.")] = False,
    partitions: Annotated[int, typer.Option("--partitions", min=1, help="Partitions of a topic that is created.")] = 8,
) -> Answer:
    """Take in streams from Kafka, as a member of a consumer group: rows are online at once and in the lake soon after.

    Start as many as you like, here or on other machines: they share the partitions, and take over from one that dies. A message
    that can't be used goes to the topic's dead letters with the reason. It runs until Ctrl-C or SIGTERM, then finishes what it
    has begun and leaves. `headrace ingest` alone means the same.
    """
    from headrace.features.worker import WorkerOptions, tuned_process

    topics = session.store.topics
    names = topics.sources(sources or ())
    if create_topics:
        for name in topics.create_topics(names, partitions):
            note(f"made the topic of {name} with {partitions} partitions")
    group = group or topics.default_group
    options = WorkerOptions(group, max_rows, flush_rows, flush_seconds)
    with _stopping() as stop, bar() as progress:
        if workers > 1:
            shared = [
                "--group",
                group,
                f"--max-rows={max_rows}",
                f"--flush-rows={flush_rows}",
                f"--flush-seconds={flush_seconds}",
            ]
            _supervise(workers, ["-C", str(session.folder), "ingest", "run", *names, *shared], stop)
            return Answer({"workers": workers, "group": group}, [f"{workers} workers have left group {group}"])

        def tell(done: Progressed) -> None:
            if sys.stderr.isatty():
                progress(f"ingest of group {group}", done.rows, done.rows + done.lag)
            else:
                note(json.dumps({"ingest": group, **plain(done)}))

        with tuned_process():
            done = topics.worker(names, options, tell).run(stop)
    return Answer(done, [f"took in {done.rows:,} rows, set {done.refused:,} messages aside"])


@verb("dead", "headrace ingest dead ratings", "headrace ingest dead ratings --replay")
def dead(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A source with a stream.")],
    replay: Annotated[
        bool, typer.Option("--replay", help="Produce them to their topic again, so that they are tried once more.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most this many, the newest.")] = 50,
) -> Answer:
    """Show the messages that couldn't be taken in, with their reasons; or try them again once the cause is fixed."""
    topics = session.store.topics
    if replay:
        produced, cut = topics.replay(source)
        rest = f"; {cut} weren't, because they were too large to be kept whole" if cut else ""
        return Answer({"source": source, "replayed": produced, "cut": cut}, [f"{produced} messages are in the topic again{rest}"])
    letters = topics.dead(source)
    rows = [(item.partition, item.offset, moment(item.time), item.reason, _shown(item)) for item in letters[-limit:]]
    columns = ("PARTITION", "OFFSET", "SET ASIDE", "REASON", "MESSAGE")
    more = [f"{len(letters) - limit:,} older ones aren't shown"] if len(letters) > limit else []
    return Answer(letters, [Table(columns, rows, empty=f"no message of {source} was set aside"), *more])


VERBS: tuple[Verb[...], ...] = (run, dead)


@contextlib.contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second has its usual effect."""
    stop = threading.Event()
    before: dict[int, Any] = {}

    def handle(number: int, _frame: Any) -> None:
        stop.set()
        signal.signal(number, before[number])

    before.update({number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)})
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _supervise(workers: int, arguments: Sequence[str], stop: threading.Event) -> None:
    """Keep so many workers running until `stop`, then let them finish.

    Raises:
        StorageError: workers die as soon as they start; they told why.
    """
    running = [_start(arguments) for _ in range(workers)]
    quick = 0
    try:
        while not stop.wait(PAUSE):
            for place, (process, started) in enumerate(running):
                if process.poll() is None:
                    continue
                quick = quick + 1 if time.monotonic() - started < QUICK else 0
                if quick >= 3:
                    msg = f"workers end as soon as they start (exit code {process.returncode}); the reason is above"
                    raise StorageError(msg)
                note(f"a worker ended with exit code {process.returncode}; another takes its place")
                running[place] = _start(arguments)
    finally:
        for process, _ in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process, _ in running:
            process.wait()


def _start(arguments: Sequence[str]) -> tuple[subprocess.Popen[bytes], float]:
    # A session of its own, so that Ctrl-C reaches only the parent, which tells them.
    process = subprocess.Popen([sys.executable, "-c", MAIN, *arguments], stdout=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    return process, time.monotonic()


def _shown(letter: DeadLetter) -> str:
    text = (letter.value or b"").decode(errors="replace")
    return text if len(text) <= 80 else f"{text[:80]}…"
