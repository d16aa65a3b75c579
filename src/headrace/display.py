"""What notebooks show: pages of the web app, and small tables: plain HTML without scripts or colours of its own, so that it reads
on light and dark pages."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

__all__ = ["facts_html", "show_page", "table_html"]

_LONGEST = 200
_EDGE = "1px solid rgba(128,128,128,.3)"
_LINE = f"border-bottom:{_EDGE}"
_CELL = f"{_LINE};padding:2px 12px 2px 0;text-align:left;vertical-align:top"


def facts_html(title: str, facts: Iterable[tuple[str, Any]], link: str = "") -> str:
    """A title above pairs of a name and a value; pairs without a value are left out. `link` is an address of a web page."""
    rows = "".join(
        f'<tr><th style="{_CELL};font-weight:normal;opacity:.7">{escape(name)}</th><td style="{_CELL}">{_text(value)}</td></tr>'
        for name, value in facts
        if value not in (None, "", (), [])
    )
    head = f'<a href="{escape(link)}" target="_blank" rel="noopener">{escape(title)}</a>' if link else escape(title)
    return f'<div><strong>{head}</strong><table style="border-collapse:collapse">{rows}</table></div>'


def table_html(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], more: int = 0) -> str:
    """A title above a table; `more` rows exist that aren't shown."""
    head = "".join(f'<th style="{_CELL};opacity:.7">{escape(name)}</th>' for name in columns)
    body = "".join("<tr>" + "".join(f'<td style="{_CELL}">{_text(value)}</td>' for value in row) + "</tr>" for row in rows)
    rest = f'<div style="opacity:.7">… {more:,} more</div>' if more else ""
    table = f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f"<div><strong>{escape(title)}</strong>{table}{rest}</div>"


def show_page(address: str, title: str, height: int = 640) -> None:
    """Show a page of the web app: embedded below the cell of a notebook, elsewhere as its address on standard output.

    A browser embeds pages of a server that it reaches as localhost; of others it shows the link alone.
    """
    if not _in_notebook():
        print(address)  # noqa: T201 - it is the answer
        return
    from IPython.display import HTML, display

    link = f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(title)}</a>'
    frame = f'<iframe src="{escape(address)}" width="100%" height="{height}" style="border:{_EDGE}" loading="lazy"></iframe>'
    display(HTML(f"<div>{link}</div>{frame}"))


def _in_notebook() -> bool:
    """Whether cells can show HTML; a terminal with IPython can't."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
