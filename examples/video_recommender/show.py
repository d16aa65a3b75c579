"""How the demo tells its story: numbered steps with their time, tables and trees."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

__all__ = ["Story"]


class Story:
    """Prints steps to a console and remembers how long each took.

    Attributes:
        seconds: step title to its duration.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, width=None if Console().is_terminal else 110)
        self.seconds: dict[str, float] = {}

    def title(self, title: str, text: str) -> None:
        """The first thing to be read."""
        self.console.print(Panel(Text(text), title=f"[bold]{title}[/]", title_align="left", border_style="cyan", padding=(1, 2)))

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step: its number and title before, its time after."""
        self.console.print(f"\n[bold cyan]{len(self.seconds) + 1:>2}[/]  [bold]{title}[/]")
        begin = time.perf_counter()
        yield
        self.seconds[title] = time.perf_counter() - begin
        self.console.print(f"    [dim]{self.seconds[title]:.1f} s[/]")

    def say(self, text: str) -> None:
        """A sentence about what was done."""
        self.console.print(Padding(text, (0, 0, 0, 4)))

    def aside(self, text: str) -> None:
        """A sentence that explains."""
        self.say(f"[dim]{text}[/]")

    def good(self, text: str) -> None:
        """Something that was checked and holds."""
        self.say(f"[green]✓[/] {text}")

    def text(self, text: str) -> None:
        """Lines as they are."""
        self.console.print(Padding(Text(text, no_wrap=True, overflow="ellipsis"), (0, 0, 0, 4)))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table: texts to the left, figures to the right."""
        shown = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
        for number, name in enumerate(header):
            texts = any(isinstance(row[number], str) for row in rows)
            shown.add_column(name, justify="left" if texts else "right", no_wrap=True)
        for row in rows:
            shown.add_row(*(_cell(value) for value in row))
        self.console.print(Padding(shown, (0, 0, 0, 4)))

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """A bar while the block runs; the block calls (done, total)."""
        columns = (TextColumn("    {task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as bar:
            task = bar.add_task(title)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def _cell(value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN differs from itself
        return "[dim]null[/]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
