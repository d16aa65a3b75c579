"""Requests to move versions behind a server: it asks who may, counts approvals and moves the version."""

from __future__ import annotations

import builtins
from typing import Any

from headrace.arguments import checked
from headrace.models.approvals import Requests
from headrace.models.requests import Kind, TransitionRequest
from headrace.remote.transport import Transport
from headrace.shapes import shaped

__all__ = ["RemoteRequests"]


@checked()
class RemoteRequests(Requests):
    """`store.models.requests` over HTTP. Each verb raises as the embedded one does."""

    def __init__(self, transport: Transport, user: str) -> None:
        self._transport = transport
        self._user = user

    def open(self, name: str, version: int, to: str = "Production", reason: str = "") -> TransitionRequest:
        """Ask for a version to be moved to a stage; see `Requests.open`."""
        return self._tell("request_open", name=name, version=int(version), to=to, reason=reason)

    def get(self, request_id: str) -> TransitionRequest:
        """One request, by its id or the start of it."""
        found: TransitionRequest = shaped(self._transport.call("models/request_get", {"request": request_id}), TransitionRequest)
        return found

    def list(
        self, name: str | None = None, version: int | None = None, status: str | None = "open"
    ) -> builtins.list[TransitionRequest]:
        """Requests, newest first: of a model, of a version, in a status (None for any), or all."""
        asked = {"name": name, "version": None if version is None else int(version), "status": status}
        found: list[TransitionRequest] = shaped(self._transport.call("models/request_list", asked), list[TransitionRequest])
        return found

    def comment(self, request_id: str, text: str) -> TransitionRequest:
        """Say something about a request."""
        return self._say(request_id, "comment", text)

    def approve(self, request_id: str, comment: str = "") -> TransitionRequest:
        """Approve a request; see `Requests.approve`."""
        return self._say(request_id, "approve", comment)

    def reject(self, request_id: str, comment: str = "") -> TransitionRequest:
        """Turn a request down."""
        return self._say(request_id, "reject", comment)

    def withdraw(self, request_id: str, comment: str = "") -> TransitionRequest:
        """Take one's own request back."""
        return self._say(request_id, "withdraw", comment)

    def _say(self, request_id: str, kind: Kind, text: str) -> TransitionRequest:
        return self._tell("request_say", request=request_id, kind=kind, text=text)

    def _tell(self, verb: str, **asked: Any) -> TransitionRequest:
        answer = self._transport.call(f"models/{verb}", {**asked, "user": self._user}, changes=True)
        found: TransitionRequest = shaped(answer, TransitionRequest)
        return found
