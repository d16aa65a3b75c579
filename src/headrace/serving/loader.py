"""From a version in the registry to a slot that serves it: fetched, checked against its view, loaded in a process of its own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.catalog.service import Catalog
from headrace.definitions.version import ViewVersion
from headrace.errors import HeadraceError, InvalidInputError
from headrace.features.lookup import types_of
from headrace.models.service import Models
from headrace.models.version import ModelVersion
from headrace.serving.forks import ForkServer
from headrace.serving.process import Loaded, ModelProcess
from headrace.serving.slot import Bounds, Slot

__all__ = ["Loader"]

_FORKED = ("sklearn", "scipy", "skops", "joblib", "lightgbm", "xgboost", "onnxruntime")
"""Packages that the next process may find imported already: they survive a fork, and take long to import."""


class Loader:
    """Makes slots.

    Args:
        bounds: what a model may take.
        allow_pickle: load models whose format runs their author's code; it runs in their own process.
    """

    def __init__(self, models: Models, catalog: Catalog, bounds: Bounds, *, allow_pickle: bool = False) -> None:
        self._models = models
        self._catalog = catalog
        self._bounds = bounds
        self._allow_pickle = allow_pickle
        self._forks = ForkServer()

    async def __call__(self, version: ModelVersion) -> Slot:
        """A slot that has predicted the version's example.

        Raises:
            NotFoundError: the view version that it reads is gone.
            IntegrityError: a file of it is gone, cut or changed.
            UnsafeModelError: it would run its author's code.
            ModelError: it failed, hung or died while it was loaded.
        """
        view = await asyncio.to_thread(self._view, version)
        folder = tempfile.TemporaryDirectory(prefix="headrace-serving-")
        try:
            await asyncio.to_thread(self._models.fetch, version, Path(folder.name))
            asked = self._asked(version, view, folder.name)

            async def start() -> tuple[ModelProcess, Loaded]:
                return await ModelProcess.start(self._forks, asked, self._bounds.load_seconds)

            process, loaded = await start()
        except BaseException:
            folder.cleanup()
            raise
        brought = [name for name in loaded["modules"] if name.partition(".")[0] in _FORKED]
        if brought:
            await asyncio.to_thread(self._forks.preload, brought)
        return Slot(version, view, start, process, loaded, self._bounds, folder.cleanup)

    async def close(self) -> None:
        """End all processes."""
        await asyncio.to_thread(self._forks.close)

    def _view(self, version: ModelVersion) -> ViewVersion | None:
        if not version.view:
            return None
        try:
            view = self._catalog.view(version.view)
        except HeadraceError as error:
            msg = f"{version.uri} reads view {version.view!r}, which can't be served: {error}"
            raise type(error)(msg) from error
        known = {*types_of(view), *view.view.request_inputs}
        lacking = [name for name in (version.signature.names if version.signature else ()) if name not in known]
        if lacking:
            msg = f"{version.uri} takes {', '.join(map(repr, lacking))}, which its view {view.id!r} doesn't give"
            raise InvalidInputError(msg)
        return view

    def _asked(self, version: ModelVersion, view: ViewVersion | None, folder: str) -> Mapping[str, Any]:
        return {
            "folder": folder,
            "flavor": version.flavor,
            "serializer": version.serializer,
            "details": dict(version.details),
            "signature": version.signature.to_spec() if version.signature else None,
            "allow_pickle": self._allow_pickle,
            "features": {} if view is None else types_of(view),
            "memory": self._bounds.memory_mb,
        }
