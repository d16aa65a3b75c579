"""The inference service: entity keys or rows in, predictions out; says which version, of which view, made them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.catalog.service import Catalog
from headrace.clock import isoformat
from headrace.definitions.plain import read_entities, readers_of
from headrace.definitions.version import ViewVersion
from headrace.errors import InvalidInputError, ModelError, nearest
from headrace.features.services import OnlineReads
from headrace.models.service import Models
from headrace.serving.follower import Follower
from headrace.serving.loader import Loader
from headrace.serving.reading import Down, FeatureReader, Found, Source
from headrace.serving.slot import Bounds, Slot

__all__ = ["METHODS", "Columns", "Prediction", "Service", "ServingOptions"]

Columns = dict[str, list[Any]]
METHODS = ("predict", "predict_proba")
"""What may be asked of a model: never what else its object can do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingOptions:
    """What to serve, and how.

    Attributes:
        uri: `models:/name@champion`, or another address of a version; followed when it moves.
        method: what is asked of the model where a request doesn't say: `predict` or `predict_proba`.
        down: what is served where the online store doesn't answer: `fail`, `defaults` or `last-good`.
        bounds: what a model may take.
        allow_pickle: load models whose format runs their author's code; it runs in a process of its own.
    """

    uri: str
    method: str = "predict"
    down: Down = "fail"
    bounds: Bounds = field(default_factory=Bounds)
    allow_pickle: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """An answer.

    Attributes:
        json: a list with a member a row.
        rows: how many.
        model: the version that predicted, `models:/name/3`.
        view: the view version that its features came from, `ranking:3`; empty if the request brought them.
        source: where the features came from.
        age: of last good features, the seconds since they were read.
    """

    json: bytes
    rows: int
    model: str
    view: str
    source: Source
    age: float | None = None


class Service:
    """Predicts with what an address of the registry names. All of it runs on the event loop.

    Args:
        lookup: opens what answers online reads; asked only if a model reads a view.
    """

    def __init__(self, models: Models, catalog: Catalog, lookup: Callable[[], OnlineReads], options: ServingOptions) -> None:
        self.options = options
        self._loader = Loader(models, catalog, options.bounds, allow_pickle=options.allow_pickle)
        self._reader = FeatureReader(lookup, options.down)
        self.main = Follower(models, options.uri, self._loader)

    async def start(self) -> None:
        """Load what is to be served. Raises HeadraceError if that can't be done."""
        try:
            await self.main.start()
        except BaseException:
            await self._loader.close()
            raise

    async def close(self) -> None:
        """Finish what is under way, and end all processes."""
        await self.main.close()
        await self._loader.close()

    async def predict(self, entities: Mapping[str, Any], method: str | None = None) -> Prediction:
        """Predictions for entities, by their features now.

        Args:
            entities: join keys and request inputs of the view, as JSON has them; scalars are repeated.
            method: `predict` or `predict_proba`. Default: that of the options.

        Raises:
            InvalidInputError: the model reads no view, a key is missing or wrong, or the model refuses the values.
            StorageError: the online store doesn't answer.
            ModelError: the model raised, hung or died.
        """
        with self._choose().held() as slot:
            if slot.view is None:
                msg = f"{slot.version.uri} reads no feature view: send the rows themselves, to /invocations"
                raise InvalidInputError(msg)
            found = await self._reader.read(slot.view, read_entities(readers_of(slot.view.view.request_keys), entities))
            columns = self._selected(slot, found)
            return await self._answer(slot, columns, len(found.answer), method, found.source, found.age)

    async def score(self, columns: Columns, method: str | None = None) -> Prediction:
        """Predictions for rows: of the model's own columns; or of its view's keys, whose features are read.

        Raises:
            InvalidInputError: columns are missing, or the model refuses the values. And as `predict`.
        """
        slot = self._choose()
        names = slot.version.signature.names if slot.version.signature is not None else tuple(columns)
        missing = [name for name in names if name not in columns]
        if slot.version.signature is None and slot.view is not None and _are_keys(slot.view, columns):
            return await self.predict(columns, method)
        if not missing:
            with slot.held():
                rows = len(next(iter(columns.values()), []))
                return await self._answer(slot, {name: columns[name] for name in names}, rows, method, "request")
        if slot.view is not None and _are_keys(slot.view, columns):
            return await self.predict(columns, method)
        takes = ", ".join(names)
        keys = f"; or the keys of its view: {', '.join(slot.view.view.request_keys)}" if slot.view is not None else ""
        msg = f"the input lacks {', '.join(map(repr, missing))}{nearest(missing[0], columns)}. The model takes {takes}{keys}"
        raise InvalidInputError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that the model takes, in order; empty if it was logged without an example."""
        signature = self.require().version.signature
        return signature.names if signature is not None else ()

    def require(self) -> Slot:
        """What serves now. Raises ModelError if nothing does."""
        return self._choose()

    def status(self) -> dict[str, Any]:
        """What is served, as plain JSON values."""
        return {"main": _told(self.main)}

    def _choose(self) -> Slot:
        if self.main.slot is None:
            msg = f"{self.main.uri} isn't served: {self.main.trouble or 'the service is stopping'}"
            raise ModelError(msg)
        return self.main.slot

    async def _answer(
        self, slot: Slot, columns: Columns, rows: int, method: str | None, source: Source, age: float | None = None
    ) -> Prediction:
        asked = self.options.method if method is None else method
        if asked not in METHODS:
            msg = f"'method' is {asked!r}; it is one of {', '.join(METHODS)}"
            raise InvalidInputError(msg)
        view = slot.view.id if slot.view is not None and source != "request" else ""
        if not rows:
            return Prediction(b"[]", 0, slot.version.uri, view, source, age)
        text = await slot.predict(asked, columns, rows)
        return Prediction(text, rows, slot.version.uri, view, source, age)

    def _selected(self, slot: Slot, found: Found) -> Columns:
        """The columns that the model takes, in its order."""
        columns = found.answer.to_dict()
        if slot.version.signature is None:
            return columns
        return {name: columns[name] for name in slot.version.signature.names}


def _are_keys(view: ViewVersion, columns: Columns) -> bool:
    """Whether columns are those of a request to a view."""
    asked = {*view.view.request_keys, *view.view.request_inputs}
    return asked <= columns.keys() and not columns.keys() & {*view.view.feature_names} - asked


def _told(follower: Follower) -> dict[str, Any]:
    slot = follower.slot
    return {
        "follows": follower.uri,
        "model": None if slot is None else slot.version.uri,
        "view": None if slot is None or slot.view is None else slot.view.id,
        "since": isoformat(int(follower.swapped * 1e6)) if slot is not None else None,
        "swaps": follower.swaps,
        "trouble": follower.trouble or None,
        "waiting": 0 if slot is None else slot.waiting,
        "calls": 0 if slot is None else slot.calls,
        "rows": 0 if slot is None else slot.predicted,
    }
