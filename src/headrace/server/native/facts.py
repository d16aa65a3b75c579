"""What this server is: its release, what it runs on, where its stores are."""

from __future__ import annotations

import platform
from importlib.metadata import version

from headrace.capture.redact import redact_url
from headrace.server.columns import dumps
from headrace.server.endpoint import Operation
from headrace.server.http import JSON, Call, Reply
from headrace.server.schema import Content, Field, Record

__all__ = ["SERVER"]

_STORES = ("catalog", "lake", "artifacts", "online", "events", "engine")
_FACTS = Record(
    "ServerFacts",
    {
        "release": Field("The release."),
        "python": Field("The release of Python."),
        "platform": Field("The operating system."),
        "project": Field("The project's folder."),
        "stores": Field(
            "Where each store is, without passwords: catalog, lake, artifacts, online, events, engine.",
            ("object",),
            of=Field("An address."),
            keyed=True,
        ),
        "modules": Field("Modules that hold definitions.", ("array",), of=Field("An import path.")),
        "webhook_hosts": Field("Hosts that webhooks may reach though they are private.", ("array",), of=Field("A host.")),
        "open": Field("Nobody is asked who they are: the project has no users.", ("boolean",)),
    },
    whole=True,
)


def _facts(call: Call) -> Reply:
    """What this server is: its release, what it runs on, where its stores are."""
    settings = call.store.settings
    told = {
        "release": version("headrace"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "project": str(settings.project),
        "stores": {name: redact_url(getattr(settings, name)) for name in _STORES},
        "modules": list(settings.modules),
        "webhook_hosts": list(settings.webhook_hosts),
        "open": call.store.door is None or not call.store.door.exist,
    }
    return Reply(dumps(told), media_type=JSON)


SERVER = Operation(_facts, gives=(Content(record=_FACTS),))
