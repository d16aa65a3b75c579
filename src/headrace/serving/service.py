"""The inference service: entity keys or rows in, predictions out; says which version, of which view, made them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from headrace.catalog.service import Catalog
from headrace.clock import Clock, isoformat, system_clock
from headrace.definitions.plain import read_entities, readers_of
from headrace.errors import InvalidInputError, ModelError
from headrace.features.services import OnlineReads
from headrace.ids import new_id
from headrace.models.service import Models
from headrace.serving.columns import Columns, selected, takes_keys
from headrace.serving.follower import Follower
from headrace.serving.loader import Loader
from headrace.serving.messages import METHODS, pack
from headrace.serving.prediction_rows import Made, Role
from headrace.serving.reading import Down, FeatureReader, Source
from headrace.serving.shadow import Shadow
from headrace.serving.slot import Bounds, Slot

__all__ = ["METHODS", "Columns", "Prediction", "Service", "ServingOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingOptions:
    """What to serve, and how.

    Attributes:
        uri: `models:/name@champion`, or another address of a version; followed when it moves.
        method: what is asked of the model where a request doesn't say: `predict` or `predict_proba`.
        down: what is served where the online store doesn't answer: `fail`, `defaults` or `last-good`.
        bounds: what a model may take.
        allow_pickle: load models whose format runs their author's code; it runs in a process of its own.
        shadow: an address whose version gets copies of all requests; its answers are compared and kept. Empty for none.
        canary: an address whose version answers a share of the requests, always those of the same keys. Empty for none.
        canary_share: that share, 0 to 1.
        log_share: the share of keys whose predictions, and features as served, are kept in the lake.
    """

    uri: str
    method: str = "predict"
    down: Down = "fail"
    bounds: Bounds = field(default_factory=Bounds)
    allow_pickle: bool = False
    shadow: str = ""
    canary: str = ""
    canary_share: float = 0.0
    log_share: float = 1.0


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
        role: whether the main version answered, or the canary.
    """

    json: bytes
    rows: int
    model: str
    view: str
    source: Source
    age: float | None = None
    role: Role = "main"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request on its way.

    Attributes:
        entities: of a request by keys, as their types; None if it brought the rows.
        columns: of a request by rows.
        found: the features that the answering version's view gave.
        kept: whether the predictions are to be kept.
        began: `time.perf_counter()`.
    """

    request: str
    method: str
    kept: bool
    began: float
    entities: Mapping[str, Any] | None = None
    columns: Columns | None = None


class Service:
    """Predicts with what an address of the registry names. All of it runs on the event loop.

    Args:
        lookup: opens what answers online reads; asked only if a model reads a view.
        keep: takes predictions to be written; None where they can't be kept.
    """

    def __init__(
        self,
        models: Models,
        catalog: Catalog,
        lookup: Callable[[], OnlineReads],
        keep: Callable[[Made], None] | None,
        options: ServingOptions,
        clock: Clock = system_clock,
    ) -> None:
        self.options = options
        self._keep = keep if options.log_share > 0 else None
        self._clock = clock
        self._loader = Loader(models, catalog, options.bounds, allow_pickle=options.allow_pickle)
        self._reader = FeatureReader(lookup, options.down)
        self.main = Follower(models, options.uri, self._loader)
        self.canary = Follower(models, options.canary, self._loader, optional=True) if options.canary else None
        self.shadow = Follower(models, options.shadow, self._loader, optional=True) if options.shadow else None
        self._mirror = Shadow()

    @property
    def _followers(self) -> dict[Role, Follower]:
        found: dict[Role, Follower | None] = {"main": self.main, "canary": self.canary, "shadow": self.shadow}
        return {role: follower for role, follower in found.items() if follower is not None}

    async def start(self) -> None:
        """Load what is to be served. Raises HeadraceError if that can't be done."""
        try:
            for follower in self._followers.values():
                await follower.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what is under way, and end all processes."""
        await self._mirror.close()
        for follower in self._followers.values():
            await follower.close()
        await self._loader.close()

    async def predict(self, entities: Mapping[str, Any], method: str | None = None, request: str = "") -> Prediction:
        """Predictions for entities, by their features now.

        Args:
            entities: join keys and request inputs of the view, as JSON has them; scalars are repeated.
            method: `predict` or `predict_proba`. Default: that of the options.
            request: the id under which the predictions are kept.

        Raises:
            InvalidInputError: the model reads no view, a key is missing or wrong, or the model refuses the values.
            StorageError: the online store doesn't answer.
            ModelError: the model raised, hung or died.
        """
        began = time.perf_counter()
        place = _first(entities)
        role, slot = self._route(place)
        with slot.held():
            if slot.view is None:
                msg = f"{slot.version.uri} reads no feature view: send the rows themselves, to /invocations"
                raise InvalidInputError(msg)
            read = read_entities(readers_of(slot.view.view.request_keys), entities)
            asked = _Asked(request or new_id(), self._method(method), self._kept(place), began, entities=read)
            return await self._answer(role, slot, asked)

    async def score(self, columns: Columns, method: str | None = None, request: str = "") -> Prediction:
        """Predictions for rows: of the model's own columns; or of its view's keys, whose features are read.

        Raises:
            InvalidInputError: columns are missing, or the model refuses the values. And as `predict`.
        """
        began = time.perf_counter()
        if not columns:
            raise InvalidInputError("the input has no columns; send rows, each with the columns that the model takes")
        place = tuple(column[0] if column else None for column in columns.values())
        role, slot = self._route(place)
        if takes_keys(slot, columns):
            return await self.predict(columns, method, request)
        with slot.held():
            asked = _Asked(request or new_id(), self._method(method), self._kept(place), began, columns=columns)
            return await self._answer(role, slot, asked)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that the model takes, in order; empty if it was logged without an example."""
        signature = self.require().version.signature
        return signature.names if signature is not None else ()

    def require(self) -> Slot:
        """What serves now. Raises ModelError if nothing does."""
        if self.main.slot is None:
            msg = f"{self.main.uri} isn't served: {self.main.trouble or 'the service is stopping'}"
            raise ModelError(msg)
        return self.main.slot

    def status(self) -> dict[str, Any]:
        """What is served, as plain JSON values."""
        found: dict[str, Any] = {role: _told(follower) for role, follower in self._followers.items()}
        if self.canary is not None:
            found["canary"]["share"] = self.options.canary_share
        if self.shadow is not None:
            found["shadow"]["compared"] = self._mirror.found.to_dict()
        return found

    def _route(self, place: Any) -> tuple[Role, Slot]:
        """Who answers: the same version for the same keys, as long as it is the canary."""
        canary = self.canary.slot if self.canary is not None else None
        if canary is not None and _share_of(b"canary", place) < self.options.canary_share:
            return "canary", canary
        return "main", self.require()

    def _kept(self, place: Any) -> bool:
        share = self.options.log_share
        return self._keep is not None and (share >= 1 or _share_of(b"log", place) < share)

    def _method(self, method: str | None) -> str:
        asked = self.options.method if method is None else method
        if asked not in METHODS:
            msg = f"'method' is {asked!r}; it is one of {', '.join(METHODS)}"
            raise InvalidInputError(msg)
        return asked

    async def _answer(self, role: Role, slot: Slot, asked: _Asked) -> Prediction:
        """Answer a request; and have the shadow answer a copy, once this one has its answer."""
        found = await self._said(role, slot, asked)
        if self.shadow is not None and self.shadow.slot is not None and found.rows:
            shadow = self.shadow.slot
            self._mirror.mirror(found.json, lambda: self._shadowed(shadow, replace(asked, began=time.perf_counter())))
        return found

    async def _shadowed(self, slot: Slot, asked: _Asked) -> bytes:
        with slot.held():
            return (await self._said("shadow", slot, asked)).json

    async def _said(self, role: Role, slot: Slot, asked: _Asked) -> Prediction:
        """What a version says, kept if it is to be kept."""
        columns, keys, source, age = await self._columns(role, slot, asked)
        rows = len(next(iter(columns.values()), []))
        view = slot.view.id if slot.view is not None and source != "request" else ""
        packed = pack((asked.method, columns))
        text = await slot.predict_packed(packed, rows) if rows else b"[]"
        if asked.kept and rows and self._keep is not None:
            version, now = slot.version, self._clock()
            taken = time.perf_counter() - asked.began
            made = Made(
                asked.request,
                version.name,
                version.version,
                role,
                view,
                source,
                asked.method,
                pack(keys),
                packed,
                text,
                rows,
                now,
                taken,
            )
            self._keep(made)
        return Prediction(text, rows, slot.version.uri, view, source, age, role)

    async def _columns(self, role: Role, slot: Slot, asked: _Asked) -> tuple[Columns, Columns, Source, float | None]:
        """What the model is given, the keys behind it, where it comes from, and how old it is."""
        if asked.entities is None:
            return selected(slot, asked.columns or {}), {}, "request", None
        if slot.view is None:
            msg = f"{slot.version.uri} reads no feature view, and the request has keys alone"
            raise InvalidInputError(msg)
        sample = 1.0 if asked.kept and role != "shadow" else 0.0
        found = await self._reader.read(slot.view, asked.entities, sample, asked.request)
        keys = {name: found.answer.keys[name] for name in (*slot.view.view.request_keys, *slot.view.view.request_inputs)}
        return selected(slot, found.answer.to_dict()), keys, found.source, found.age


def _first(entities: Mapping[str, Any]) -> Any:
    """What a request's keys are routed by: the first one's first value, so that one user's rows stay together."""
    value = next(iter(entities.values()), None)
    return (value[0] if value else None) if isinstance(value, list) else value


def _share_of(salt: bytes, place: Any) -> float:
    """Where a key lies between 0 and 1; always at the same place, in every process."""
    return int.from_bytes(blake2b(repr(place).encode(), digest_size=8, salt=salt).digest()) / 2**64


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
