"""What stands in for a part of a store that isn't served over HTTP."""

from __future__ import annotations

from typing import Any, NoReturn

from headrace.errors import HeadraceError

__all__ = ["Absent"]


class Absent:
    """Refuses whatever is asked of it, and says where it is to be had.

    Args:
        part: what it stands for, for example `runs`.
        url: the server.
    """

    def __init__(self, part: str, url: str) -> None:
        self._said = (
            f"store.{part} isn't served over HTTP, as by {url}: open the project by its directory, hr.connect('path/of/it'), "
            "where its stores can be reached"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what Python and notebooks ask of any object
            raise AttributeError(name)
        return self.refuse

    def refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Raise HeadraceError."""
        raise HeadraceError(self._said)
