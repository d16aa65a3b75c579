"""The verbs of requests: open, comment, approve, reject, withdraw."""

from __future__ import annotations

import builtins
from collections.abc import Callable

from headrace.arguments import checked
from headrace.errors import AccessError, ConflictError, InvalidInputError, NotFoundError
from headrace.ids import new_id
from headrace.models.audit import Author
from headrace.models.gates import APPROVALS
from headrace.models.lifecycle import parse_stage
from headrace.models.requests import Kind, Remark, RequestStore, TransitionRequest, approvers, remarked
from headrace.models.store import ModelStore

__all__ = ["Requests"]

Promote = Callable[[str, int, str, str], object]
"""Moves a version to a stage, for a reason; raises if that isn't allowed."""


@checked()
class Requests:
    """Requests to move versions, for users who may not do so themselves, or not without others' approval."""

    def __init__(self, store: RequestStore, models: ModelStore, author: Author, promote: Promote) -> None:
        self._store = store
        self._models = models
        self._author = author
        self._promote = promote

    def open(self, name: str, version: int, to: str = "Production", reason: str = "") -> TransitionRequest:
        """Ask for a version to be moved to a stage.

        Raises:
            NotFoundError: there is no such version.
            ConflictError: it is in that stage already, or a request for it is open.
            InvalidInputError: no such stage.
        """
        self._author.require("models:write")
        stage, model = parse_stage(to), self._models.model(name)
        version = int(version)  # NumPy's can't be written as JSON
        if model is None:
            raise NotFoundError.of("registered model", name, self._models.names())
        if model.lifecycle.stage_of(version) == stage:
            msg = f"version {version} of {name!r} is in {stage} already"
            raise ConflictError(msg)
        entry = self._author.entry(
            "request", version, after={"request": (request_id := new_id()[-12:]), "to": stage}, reason=reason
        )
        request = TransitionRequest(
            id=request_id,
            name=name,
            version=version,
            stage=stage,
            reason=reason,
            user=entry.user,
            created=entry.time,
            updated=entry.time,
        )
        self._store.add(request, entry)
        return request

    def get(self, request_id: str) -> TransitionRequest:
        """One request, by its id or the start of it. Raises NotFoundError."""
        return self._store.get(request_id)

    def list(
        self, name: str | None = None, version: int | None = None, status: str | None = "open"
    ) -> builtins.list[TransitionRequest]:
        """Requests, newest first: of a model, of a version, in a status (None for any), or all."""
        return self._store.find(name, None if version is None else int(version), status)  # SQLite takes NumPy's for bytes

    def comment(self, request_id: str, text: str) -> TransitionRequest:
        """Say something about a request, decided or not. Raises NotFoundError."""
        self._author.require("models:write")
        return self._say(request_id, "comment", text)

    def approve(self, request_id: str, comment: str = "") -> TransitionRequest:
        """Approve a request. With the last approval that is needed, the version is moved, if its gates pass.

        Raises:
            AccessError: you may not approve, or you are the requester and the model's gates want somebody else.
            ConflictError: it is decided already, or you approved it already.
            GateError: the gates refuse the move; the approval is kept. Holds the report.
            NotFoundError: there is no such request.
        """
        self._author.require("models:approve")
        request = self._store.get(request_id)
        needed, by_requester = self._policy(request)
        if request.user == self._author.user and not by_requester:
            msg = f"{request.user} asked for {request.name} version {request.version} to move, so somebody else must approve it"
            if self._author.account is None:  # whoever opens a project by its folder is who the machine says
                msg += ": through the project's server, with a token of their own (HEADRACE_SERVER, HEADRACE_TOKEN)"
            raise AccessError(msg)
        approved = self._say(request_id, "approve", comment)
        if len(approvers([approved], by_requester=by_requester)) < needed:
            return approved
        self._promote(request.name, request.version, request.stage, f"request {request.id}: {request.reason}".rstrip(": "))
        return self._store.get(request.id)

    def reject(self, request_id: str, comment: str = "") -> TransitionRequest:
        """Reject a request. Raises AccessError, ConflictError and NotFoundError as `approve` does."""
        self._author.require("models:approve")
        return self._say(request_id, "reject", comment)

    def withdraw(self, request_id: str, comment: str = "") -> TransitionRequest:
        """Take one's own request back. Raises AccessError for another's, ConflictError and NotFoundError."""
        request = self._store.get(request_id)
        if request.user != self._author.user:
            msg = f"request {request.id} is {request.user}'s; reject it instead"
            raise AccessError(msg)
        return self._say(request_id, "withdraw", comment)

    def remark(self, kind: str, request_id: str, text: str = "") -> TransitionRequest:
        """Comment, approve, reject or withdraw, as `kind` says. Raises what that does, and InvalidInputError for another kind."""
        verbs: dict[str, Callable[[str, str], TransitionRequest]] = {
            "comment": self.comment,
            "approve": self.approve,
            "reject": self.reject,
            "withdraw": self.withdraw,
        }
        if kind not in verbs:
            msg = f"kind must be {', '.join(verbs)}, not {kind!r}"
            raise InvalidInputError(msg)
        return verbs[kind](request_id, text)

    def _say(self, request_id: str, kind: Kind, text: str) -> TransitionRequest:
        while True:
            before = self._store.get(request_id)
            entry = self._author.entry(kind, before.version, after={"request": before.id, "to": before.stage}, reason=text)
            after = remarked(before, Remark(kind=kind, user=entry.user, time=entry.time, text=text))
            if self._store.replace(before, after, entry):
                return after

    def _policy(self, request: TransitionRequest) -> tuple[int, bool]:
        """How many must approve, and whether the requester may be one of them."""
        model = self._models.model(request.name)
        gates = [gate for gate in model.gates if gate.metric == APPROVALS] if model and request.stage == "Production" else []
        return int(max((gate.at_least or 0 for gate in gates), default=1)), all(gate.by_requester for gate in gates)
