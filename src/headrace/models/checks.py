"""What the rest of the project knows of what a version needs: its view, its data, its run's files. Filled in by the project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headrace.errors import ConflictError, HeadraceError, NotFoundError
from headrace.models.version import COMMIT_TAG, DIRTY_TAG, ModelVersion
from headrace.tracking.run import DatasetInput

__all__ = ["Checks"]

DIFF_FILE = "capture/code.diff"
_WIDTHS = {"bool": 0, "int8": 1, "int16": 2, "int32": 3, "int64": 4, "float32": 4, "float64": 5}


@dataclass(frozen=True, slots=True)
class Checks:
    """Questions to the rest of the project; one that is None can't be asked here, and is then no obstacle.

    Attributes:
        view_types: the features of a pinned view, `ranking:3`, with their types. Raises NotFoundError.
        dataset_fault: what keeps a run's data from being had again; empty if nothing does.
        run_files: the paths of a run's files, with their SHA-256.
        upstream: what a thing was made from, as URNs, by its URN.
    """

    view_types: Callable[[str], Mapping[str, str]] | None = None
    dataset_fault: Callable[[DatasetInput], str] | None = None
    run_files: Callable[[str], Mapping[str, str]] | None = None
    upstream: Callable[[str], Sequence[str]] | None = None

    def require_view(self, version: ModelVersion) -> None:
        """Raise ConflictError if the view that a version reads isn't there."""
        if not version.view or self.view_types is None:
            return
        try:
            self.view_types(version.view)
        except NotFoundError as error:
            what = f"version {version.version} of {version.name!r}"
            msg = f"{what} can't be served: it reads the view {version.view!r}, and {error}"
            raise ConflictError(msg) from error

    def schema_fault(self, version: ModelVersion) -> str:
        """Why the version's view doesn't give what its model takes; empty if it does."""
        if not version.view:
            return "the version names no feature view; log the model with view=…"
        if self.view_types is None:
            return "the view can't be looked at here"
        try:
            types = self.view_types(version.view)
        except NotFoundError as error:
            return f"the view is gone: {error}"
        if version.signature is None:
            return "the version has no signature; log the model with example=…"
        missing = [column.name for column in version.signature.inputs if column.name not in types]
        unfit = [
            f"{column.name} ({types[column.name]}, not {column.type})"
            for column in version.signature.inputs
            if column.name in types and not _fits(types[column.name], column.type)
        ]
        faults = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has other types: {', '.join(unfit)}"] * bool(unfit)
        return f"{version.view} {' and '.join(faults)}" if faults else ""

    def origin_fault(self, version: ModelVersion) -> str:
        """Why the version can't be made again from what is kept; empty if it can."""
        faults = [self._code_fault(version), *(self._data_fault(data) for data in version.datasets)]
        if not version.datasets:
            faults.append("its run names no data; tell it with run.use(training_set)")
        return "; ".join(fault for fault in faults if fault)

    def _code_fault(self, version: ModelVersion) -> str:
        tags = version.origin.tags
        if not tags.get(COMMIT_TAG):
            return "its commit isn't known; train from a git repository"
        if tags.get(DIRTY_TAG) != "true":
            return ""
        if tags.get("headrace.git.skipped") or tags.get("headrace.git.redacted"):
            return f"the changes since commit {tags[COMMIT_TAG][:12]} aren't kept whole; commit and train again"
        if self.run_files is not None and DIFF_FILE in self.run_files(version.run_id):
            return ""
        return f"the changes since commit {tags[COMMIT_TAG][:12]} aren't kept; commit and train again"

    def _data_fault(self, data: DatasetInput) -> str:
        if not data.urn.startswith("training_set:"):
            return f"the data {data.name!r} is no kept training set, so nothing says that it can be had again"
        if self.dataset_fault is None:
            return f"the training set {data.name!r} can't be checked here"
        try:
            return self.dataset_fault(data)
        except HeadraceError as error:
            return f"the training set {data.name!r} can't be had again: {error}"


def _fits(given: str, taken: str) -> bool:
    """Whether a feature of one type can be handed to a column of another: equal, or a number that loses nothing."""
    if taken in (given, "object"):
        return True
    return given in _WIDTHS and taken in _WIDTHS and _WIDTHS[given] <= _WIDTHS[taken]
