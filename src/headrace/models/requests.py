"""Requests to move a version to a stage, with their comments, approvals and rejections. Pure values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

from headrace.clock import isoformat
from headrace.errors import ConflictError
from headrace.models.audit import AuditEntry
from headrace.models.lifecycle import Stage

__all__ = ["Kind", "Remark", "RequestStore", "Status", "TransitionRequest", "approvers", "remarked"]

Kind = Literal["comment", "approve", "reject", "withdraw"]
Status = Literal["open", "done", "rejected", "withdrawn"]
_ENDS: dict[Kind, Status] = {"reject": "rejected", "withdraw": "withdrawn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A comment on a request, or a decision about it.

    Attributes:
        kind: comment, approve, reject or withdraw.
        time: microseconds since 1970.
    """

    kind: Kind
    user: str
    time: int
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The remark as plain JSON values."""
        return {**asdict(self), "time": isoformat(self.time)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionRequest:
    """A request to move a version to a stage.

    Attributes:
        name, version: the version.
        stage: the stage to move it to.
        reason: why, in the requester's words.
        user: the requester.
        status: open, done (the version was moved), rejected or withdrawn.
        remarks: comments and decisions, oldest first.
        created, updated: microseconds since 1970.
    """

    id: str
    name: str
    version: int
    stage: Stage
    reason: str = ""
    user: str = ""
    status: Status = "open"
    remarks: tuple[Remark, ...] = ()
    created: int = 0
    updated: int = 0

    @property
    def approved_by(self) -> list[str]:
        """Who approved it, in that order, each once."""
        return list(dict.fromkeys(remark.user for remark in self.remarks if remark.kind == "approve"))

    def to_dict(self) -> dict[str, Any]:
        """The request as plain JSON values."""
        return {
            **asdict(self),
            "remarks": [remark.to_dict() for remark in self.remarks],
            "approved_by": self.approved_by,
            "created": isoformat(self.created),
            "updated": isoformat(self.updated),
        }

    def __str__(self) -> str:
        said = "".join(f"\n  {isoformat(each.time)}  {each.user}  {each.kind}: {each.text}" for each in self.remarks)
        return f"request {self.id}: {self.name} version {self.version} to {self.stage}, {self.status}, by {self.user}{said}"


class RequestStore(Protocol):
    """Each change is one transaction, written together with its audit entry."""

    def add(self, request: TransitionRequest, entry: AuditEntry) -> None:
        """Keep a new request. Raises ConflictError if the version has an open one to that stage."""
        ...

    def get(self, request_id: str) -> TransitionRequest:
        """The request of this id, or the only one whose id starts like this. Raises NotFoundError."""
        ...

    def find(
        self, name: str | None = None, version: int | None = None, status: str | None = None, limit: int = 1000
    ) -> list[TransitionRequest]:
        """Requests, newest first: of a model, of a version, in a status, or all."""
        ...

    def replace(self, before: TransitionRequest, after: TransitionRequest, entry: AuditEntry) -> bool:
        """Replace a request if it is still as `before`; False, and nothing changed, if it moved on meanwhile."""
        ...


def remarked(request: TransitionRequest, remark: Remark) -> TransitionRequest:
    """The request with a remark added, in the status that follows from it.

    Raises:
        ConflictError: it is decided already, and the remark is more than a comment; or it was approved by this user already.
    """
    if remark.kind != "comment" and request.status != "open":
        msg = f"request {request.id} is {request.status} already; open another one"
        raise ConflictError(msg)
    if remark.kind == "approve" and remark.user in request.approved_by:
        msg = f"{remark.user} approved request {request.id} already"
        raise ConflictError(msg)
    status = _ENDS.get(remark.kind, request.status)
    return replace(request, remarks=(*request.remarks, remark), status=status, updated=remark.time)


def approvers(requests: Sequence[TransitionRequest], *, by_requester: bool) -> list[str]:
    """Who approved one of these requests, each once. A requester's own approval counts only if `by_requester`."""
    found = [user for request in requests for user in request.approved_by if by_requester or user != request.user]
    return list(dict.fromkeys(found))
