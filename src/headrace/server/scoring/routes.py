"""The routes of `headrace serve`: parse → service → render."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import orjson

from headrace.errors import HeadraceError
from headrace.server import health
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.errors import BusyError, UnsupportedMediaTypeError
from headrace.server.http import Call, Reply, json_reply
from headrace.server.openapi import docs_of, openapi_of
from headrace.server.schema import PLAIN_TEXT, Content, Field, Record
from headrace.serving.protocol import CSV, JSON, MEDIA_TYPES, read_body
from headrace.serving.service import Prediction, Service, ServingOptions

if TYPE_CHECKING:
    from headrace.store import Store

__all__ = ["Scoring", "endpoints_of"]

_ASKED = Record(
    "PredictRequest",
    {
        "entities": Field(
            "Join keys of the model's view, and request inputs: a list of values each, or one value, which is repeated. "
            "Timestamps are RFC 3339, dates ISO 8601, bytes base64.",
            ("object",),
            required=True,
        ),
        "method": Field("`predict` or `predict_proba`. Default: what the service was started with.", nullable=True),
    },
)
_GIVEN = Record(
    "Predictions",
    {
        "predictions": Field("A member a row. NaN is null.", ("array",)),
        "model": Field("The version that predicted, `models:/video-ranker/3`."),
        "view": Field("The view version that the features came from; null if the request brought them.", nullable=True),
        "features": Field("Where they came from: `online`; where the online store is down `defaults` or `last_good`; `request`."),
        "age_s": Field("Of `last_good` features, the seconds since they were read.", ("number",), nullable=True),
        "request_id": Field("By which the prediction is found again: `headrace lineage prediction:ID`."),
    },
)
_SCORED = Record("Scored", {"predictions": Field("A member a row.", ("array",))}, open=True)
_ROWS = Record(
    "Rows",
    {
        "dataframe_split": Field("`columns`, a list of names, and `data`, a list of rows.", ("object",)),
        "dataframe_records": Field("A list of objects, one a row.", ("array",)),
        "instances": Field("A list with a member a row: an object, a list of values or one value.", ("array",)),
        "inputs": Field("An object of columns, or a list of rows.", ("any",)),
    },
    open=True,
)
_STATUS = Record("Serving", {"serving": Field("What is served, and since when.", ("object",))}, open=True)


class Scoring:
    """The service of one server process, as its companion and its routes.

    Args:
        ready: called once the model is loaded.

    Attributes:
        failure: why it couldn't start; None if it did.
    """

    def __init__(self, options: ServingOptions, ready: Callable[[], None] = lambda: None) -> None:
        self.options = options
        self._ready = ready
        self.failure: HeadraceError | None = None
        self._service: Service | None = None

    async def start(self, store: Store) -> None:
        """Load what is to be served. Raises HeadraceError."""
        service = Service(store.models, store.catalog, lambda: store.lookup, store.predictions.keep, self.options)
        try:
            await service.start()
        except HeadraceError as error:
            self.failure = error
            raise
        self._service = service
        self._ready()

    async def close(self) -> None:
        """Finish what is under way."""
        if self._service is not None:
            await self._service.close()

    @property
    def service(self) -> Service:
        """The running service."""
        if self._service is None:
            raise BusyError("the service is starting; try again in a second")
        return self._service

    async def predict(self, call: Call) -> Reply:
        """Predictions for entities by their features now, one a row, in the order asked."""
        asked = _ASKED.read(call.json())
        found = await self.service.predict(asked["entities"], asked["method"], call.request_id)
        call.metrics.predicted(found.model, found.role, found.rows)
        facts = {
            "model": found.model,
            "view": found.view or None,
            "features": found.source,
            "age_s": found.age,
            "request_id": call.request_id,
        }
        return Reply(b'{"predictions":' + found.json + b"," + orjson.dumps(facts)[1:], headers=_headers(found))

    async def invocations(self, call: Call) -> Reply:
        """Predictions for rows, as MLflow's scoring server answers.

        The rows hold the model's columns, or the join keys of its feature view: then the features are read online. Headers name
        the version and the view version: `X-Headrace-Model`, `X-Headrace-View`, `X-Headrace-Features`.
        """
        if (call.media_type or JSON) not in MEDIA_TYPES:
            msg = f"the body is {call.media_type!r}; send {' or '.join(MEDIA_TYPES)}"
            raise UnsupportedMediaTypeError(msg)
        columns = read_body(call.body, call.media_type, self.service.names)
        found = await self.service.score(columns, request=call.request_id)
        call.metrics.predicted(found.model, found.role, found.rows)
        return Reply(b'{"predictions":' + found.json + b"}", headers=_headers(found))

    def ping(self, _call: Call) -> Reply:
        """An empty line while a version is served, else 503."""
        self.service.require()
        return Reply(b"\n")

    def status(self, _call: Call) -> Reply:
        """What is served: the version of each address, since when, what keeps it from following, counts."""
        return json_reply({"serving": self.service.status()})


def _headers(found: Prediction) -> Mapping[str, str]:
    view = {"x-headrace-view": found.view} if found.view else {}
    return {"x-headrace-model": found.model, "x-headrace-features": found.source, **view}


def endpoints_of(scoring: Scoring) -> tuple[Endpoint, ...]:
    """All routes of the service."""
    rows = (Content(record=_ROWS), Content(CSV, text="A header, then a row a line."))
    predict = Operation(scoring.predict, takes=(Content(record=_ASKED),), gives=(Content(record=_GIVEN),))
    ping = Operation(scoring.ping, gives=(PLAIN_TEXT,), quick=scoring.ping)
    status = Operation(scoring.status, gives=(Content(record=_STATUS),), quick=scoring.status)
    invocations = Operation(scoring.invocations, takes=rows, gives=(Content(record=_SCORED),))
    found: list[Endpoint] = [
        Endpoint("POST", "/api/v1/predict", "models:predict", predict),
        Endpoint("GET", "/api/v1/serving", "", status),
        Endpoint("POST", "/invocations", "models:predict", invocations, "scoring"),
        Endpoint("GET", "/ping", "", ping, "scoring"),
        Endpoint("GET", "/health", "", ping, "scoring"),
        Endpoint("GET", "/version", "", health.VERSION),
        Endpoint("GET", "/metrics", "", health.METRICS),
    ]
    found += [
        Endpoint("GET", "/openapi.json", "", openapi_of(lambda: found)),
        Endpoint("GET", "/docs", "", docs_of(lambda: found)),
    ]
    return tuple(found)
