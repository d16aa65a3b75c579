"""Files of a run that its source keeps in other ways than as files: lines of a table, pictures inside of a log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headrace.errors import NotFoundError
from headrace.importers.source import SourceFile

__all__ = ["MadeFile", "MadeFolder"]


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file that is there already, or bytes that are made when they are asked for.

    Attributes:
        content: the file's place on this machine, or what gives its bytes.
        size: bytes, if known before.
        stamp: changes when the content does.
    """

    content: Path | Callable[[], bytes]
    size: int | None
    stamp: str


@dataclass(slots=True)
class MadeFolder:
    """Implements Folder over files by their path."""

    made: Mapping[str, MadeFile] = field(default_factory=dict)

    def files(self) -> list[SourceFile]:
        """All of them, by path."""
        return [SourceFile(path, file.size, file.stamp) for path, file in sorted(self.made.items())]

    def fetch(self, path: str, folder: Path) -> Path:
        """The file, made if it must be."""
        file = self.made.get(path)
        if file is None:
            msg = f"there is no file {path}"
            raise NotFoundError(msg)
        if isinstance(file.content, Path):
            return file.content
        target = folder / "made"
        target.write_bytes(file.content())
        return target
