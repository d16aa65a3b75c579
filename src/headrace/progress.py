"""Progress of long work: a callback that services call, and the bar that shows it to a person."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Progress", "bar", "silent"]

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


def silent(_title: str, _done: int, _total: int) -> None:
    """Show nothing."""


@contextmanager
def bar() -> Iterator[Progress]:
    """A progress bar on standard error while the block runs; nothing if nobody is looking at it."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks: dict[str, object] = {}

        def show(title: str, done: int, total: int) -> None:
            task = tasks.get(title)
            if task is None:
                task = tasks[title] = shown.add_task(title, total=total)
            shown.update(task, completed=done, total=total)  # type: ignore[arg-type]  # an id that add_task gave

        yield show
