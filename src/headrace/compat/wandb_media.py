"""What scripts give to `wandb.log` besides numbers: pictures, tables, histograms, pages, sounds, films, files under a name."""

from __future__ import annotations

import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from headrace.errors import InvalidInputError

if TYPE_CHECKING:
    from headrace.tracking.client.run import ActiveRun

__all__ = ["Artifact", "Audio", "Histogram", "Html", "Image", "Media", "Table", "Video"]


class Media(ABC):
    """Something that `log` keeps as a file of the run, below `media/`."""

    @abstractmethod
    def keep(self, active: ActiveRun, place: str) -> None:
        """Keep it at `place`, which has no ending yet."""


class Image(Media):
    """A picture: a PIL image, an array of shape (height, width[, channels]), a matplotlib figure or a path."""

    def __init__(self, data_or_path: Any, mode: str | None = None, caption: str | None = None, **_ignored: Any) -> None:
        del mode
        self.data = data_or_path
        self.caption = caption

    def keep(self, active: ActiveRun, place: str) -> None:
        """Keep it, as PNG unless it is a file already, and its caption beside it."""
        if isinstance(self.data, str | Path):
            active.log_artifact(self.data, place)
        elif hasattr(self.data, "savefig"):
            active.log_figure(f"{place}.png", self.data)
        else:
            data = self.data.detach().cpu().numpy() if hasattr(self.data, "detach") else self.data
            active.log_image(f"{place}.png", data)
        if self.caption:
            active.log_text(f"{place}.txt", self.caption)


class _File(Media):
    """A file."""

    def __init__(self, data_or_path: Any, caption: str | None = None, **_ignored: Any) -> None:
        if not isinstance(data_or_path, str | Path):
            msg = f"give the path of a file, not a {type(data_or_path).__name__}: write it to one first"
            raise InvalidInputError(msg)
        self.path = Path(data_or_path)
        self.caption = caption

    def keep(self, active: ActiveRun, place: str) -> None:
        """Keep the file under its own name."""
        active.log_artifact(self.path, place)


class Audio(_File):
    """A sound, as the path of its file."""


class Video(_File):
    """A film, as the path of its file."""


class Html(Media):
    """A page: its text, or the path of an .html file."""

    def __init__(self, data: Any, **_ignored: Any) -> None:
        self.data = data

    def keep(self, active: ActiveRun, place: str) -> None:
        """Keep it as .html."""
        given = self.data.read() if hasattr(self.data, "read") else self.data
        is_path = isinstance(given, Path) or (str(given).endswith(".html") and Path(given).is_file())
        active.log_text(f"{place}.html", Path(given).read_text(encoding="utf-8") if is_path else str(given))


class Histogram(Media):
    """How numbers are spread: made of the numbers, or of NumPy's (counts, edges)."""

    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64) -> None:
        import numpy as np

        if np_histogram is None:
            values = np.asarray(sequence.detach().cpu() if hasattr(sequence, "detach") else sequence, dtype=float).ravel()
            np_histogram = np.histogram(values[np.isfinite(values)], bins=num_bins)
        self.histogram = np.asarray(np_histogram[0]).tolist(), np.asarray(np_histogram[1]).tolist()

    def keep(self, active: ActiveRun, place: str) -> None:
        """Keep counts and edges as JSON."""
        counts, edges = self.histogram
        active.log_dict(f"{place}.json", {"counts": counts, "edges": edges})


class Table(Media):
    """Rows under columns: from a frame, or given one by one."""

    def __init__(
        self, columns: Sequence[Any] | None = None, data: Any = None, rows: Any = None, dataframe: Any = None, **_ignored: Any
    ) -> None:
        frame = data if hasattr(data, "columns") else dataframe
        if frame is not None:
            self.columns = [str(name) for name in frame.columns]
            self.data = [list(row) for row in frame.itertuples(index=False)] if hasattr(frame, "itertuples") else frame.rows()
            return
        given = data if data is not None else rows
        self.data = [list(row) for row in given] if given is not None else []
        width = len(self.data[0]) if self.data else 0
        self.columns = [str(name) for name in columns] if columns is not None else [str(place) for place in range(width)]
        self._check(*self.data)

    def add_data(self, *row: Any) -> None:
        """Add a row."""
        self._check(row)
        self.data.append(list(row))

    def add_column(self, name: str, data: Any) -> None:
        """Add a column, a value for each row. An empty table gets its rows of it."""
        values = list(data)
        if self.data and len(values) != len(self.data):
            msg = f"column {name!r} has {len(values)} values, the table {len(self.data)} rows"
            raise InvalidInputError(msg)
        self.data = [[*row, value] for row, value in zip(self.data or [[] for _ in values], values, strict=True)]
        self.columns.append(str(name))

    def get_dataframe(self) -> Any:
        """The table as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(self.data, columns=self.columns)

    def keep(self, active: ActiveRun, place: str) -> None:
        """Keep it as .json with `columns` and `data`; pictures in it as files beside it."""
        rows = [[self._cell(active, f"{place}/{y}_{x}", value) for x, value in enumerate(row)] for y, row in enumerate(self.data)]
        active.log_dict(f"{place}.json", {"columns": self.columns, "data": rows})

    def _check(self, *rows: Sequence[Any]) -> None:
        for row in rows:
            if len(row) != len(self.columns):
                msg = f"a row has {len(row)} values, the table {len(self.columns)} columns: {', '.join(self.columns)}"
                raise InvalidInputError(msg)

    @staticmethod
    def _cell(active: ActiveRun, place: str, value: Any) -> Any:
        if isinstance(value, Media):
            value.keep(active, place)
            return place
        return value if value is None or isinstance(value, bool | int | float | str) or hasattr(value, "tolist") else str(value)


class Artifact:
    """Files under a name; `log_artifact` keeps them below `artifacts/NAME`."""

    def __init__(
        self,
        name: str,
        type: str = "",  # noqa: A002 - the word of the interface
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **_ignored: Any,
    ) -> None:
        self.name, self.type, self.description = name, type, description
        self.metadata = dict(metadata or {})
        self._files: list[tuple[Path, str]] = []

    def add_file(self, local_path: str | Path, name: str | None = None, **_ignored: Any) -> None:
        """Add a file, under another name if one is given."""
        path = Path(local_path)
        if not path.is_file():
            msg = f"no file {str(path)!r}"
            raise InvalidInputError(msg)
        self._files.append((path, name or path.name))

    def add_dir(self, local_path: str | Path, name: str | None = None, **_ignored: Any) -> None:
        """Add all files of a folder, with their places below it."""
        root = Path(local_path)
        if not root.is_dir():
            msg = f"no folder {str(root)!r}"
            raise InvalidInputError(msg)
        for path in sorted(item for item in root.rglob("*") if item.is_file()):
            inner = path.relative_to(root).as_posix()
            self._files.append((path, f"{name}/{inner}" if name else inner))

    @contextmanager
    def new_file(self, name: str, mode: str = "w", **_ignored: Any) -> Iterator[IO[Any]]:
        """A file to write, which is then one of these."""
        path = Path(tempfile.mkdtemp(prefix="headrace-wandb-")) / Path(name).name
        with path.open(mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
        self._files.append((path, name))

    def wait(self, *_ignored: Any, **_also: Any) -> Artifact:
        """Itself: there is nothing to wait for."""
        return self

    def keep(self, active: ActiveRun) -> None:
        """Keep the files, and what is told of them as `artifact.json`."""
        told = {"name": self.name, "type": self.type, "description": self.description, "metadata": self.metadata}
        with tempfile.TemporaryDirectory(prefix="headrace-wandb-") as folder:
            for path, name in self._files:
                target = Path(folder, name)
                if not target.resolve().is_relative_to(Path(folder).resolve()):
                    msg = f"{name!r} isn't a place within an artifact; give a relative path, for example data/rows.csv"
                    raise InvalidInputError(msg)
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    target.hardlink_to(path.resolve())
                except OSError:  # on another disk
                    shutil.copyfile(path, target)
            Path(folder, "artifact.json").write_text(json.dumps(told, indent=2, default=str), encoding="utf-8")
            for entry in sorted(Path(folder).iterdir()):
                active.log_artifact(entry, f"artifacts/{self.name}")
