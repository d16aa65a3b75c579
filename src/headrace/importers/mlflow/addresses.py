"""Where MLflow's artifact addresses lead."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from headrace.errors import StorageError

__all__ = ["SCHEME", "ArtifactRoot", "in_a_run"]

SCHEME = "mlflow-artifacts"


def in_a_run(uri: str) -> tuple[str, str] | None:
    """The run and the path below its artifacts that `runs:/RUN/path` names; None for other addresses."""
    parsed = urlsplit(uri)
    run_id, _, path = parsed.path.lstrip("/").partition("/")
    return (run_id, path) if parsed.scheme == "runs" else None


class ArtifactRoot:
    """The place behind `mlflow-artifacts:/…`, which MLflow's server keeps to itself.

    Args:
        root: a folder or a bucket's URL; None if it isn't known.
    """

    def __init__(self, root: str | None) -> None:
        self._root = None if root is None else root.rstrip("/")

    def resolve(self, uri: str) -> str:
        """The address that can be read without the server. Raises StorageError if nobody said what the root is."""
        if urlsplit(uri).scheme != SCHEME:
            return uri
        if self._root is None:
            msg = (
                "the files are behind MLflow's server; give its --artifacts-destination as --artifacts, "
                "or import from the server itself, with its http://… address"
            )
            raise StorageError(msg)
        path = unquote(urlsplit(uri).path) if "://" not in self._root else urlsplit(uri).path
        parts = [part for part in path.split("/") if part]
        if ".." in parts:
            msg = f"{uri} leads out of the artifact root; nothing is read from there"
            raise StorageError(msg)
        return "/".join([self._root, *parts])
