"""The audit trail: entries chained by hash, so that a later change, removal or insertion shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from headrace.accounts.account import Account
from headrace.clock import Clock, isoformat
from headrace.errors import IntegrityError
from headrace.ids import content_hash
from headrace.models.lifecycle import Lifecycle

__all__ = ["CLOSING", "AuditEntry", "Author", "difference", "seal", "verify", "verify_state"]


CLOSING = ("renamed away", "delete")
"""After these actions nothing is left under the name; later entries are another model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Something somebody did to a registered model. Entries are only ever added.

    Attributes:
        action: a transition's name (promote, rollback, archive, …), or create, register, refuse, alias, tag, describe, gates,
            rename, renamed away, forget (a version) or delete (the model).
        version: the version it was done to; None if to the model.
        before, after: what changed: `stages` and `aliases` of what moved, `tags`, `description` or `gates`.
        reason: in the words of who did it.
        report: the gate report, as `GateReport.to_dict` gives it; None if no gate was asked.
        user: who.
        origin: the address that the request to the server came from; empty if it was done in the project itself, or if the entry
            is from before addresses were kept.
        time: microseconds since 1970.
        subject: the model's name.
        seq: counts from 1 within the subject.
        previous: hash of the entry before; empty for the first.
        hash: SHA-256 over all of the above; without an origin, over the rest, so that older entries hold.
    """

    action: str
    version: int | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    report: Mapping[str, Any] | None = None
    user: str = ""
    origin: str = ""
    time: int = 0
    subject: str = ""
    seq: int = 0
    previous: str = ""
    hash: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The entry as plain JSON values."""
        return {**asdict(self), "time": isoformat(self.time)}

    def __str__(self) -> str:
        version = "" if self.version is None else f" version {self.version}"
        reason = f": {self.reason}" if self.reason else ""
        origin = f" from {self.origin}" if self.origin else ""
        return f"{self.seq:>4}  {isoformat(self.time)}  {self.user}{origin}  {self.action}{version}{reason}"


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes entries, by which clock, and what they may do.

    Attributes:
        account: the author's account; None where nobody has to sign in, so that everything is allowed.
        origin: the address that the request to the server came from; empty without a server.
    """

    clock: Clock
    user: str
    account: Account | None = None
    origin: str = ""

    def require(self, permission: str) -> None:
        """Raise AccessError if the author may not do this."""
        if self.account is not None:
            self.account.require(permission)

    def entry(
        self,
        action: str,
        version: int | None = None,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        reason: str = "",
        report: Mapping[str, Any] | None = None,
    ) -> AuditEntry:
        """An entry by this author, now; the store gives it its place."""
        return AuditEntry(
            action=action,
            version=version,
            before=before or {},
            after=after or {},
            reason=reason,
            report=report,
            user=self.user,
            origin=self.origin,
            time=self.clock(),
        )


def difference(before: Lifecycle, after: Lifecycle) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changed between two lifecycles, as the `before` and `after` of an entry: stages by version, versions by alias."""
    moved = [version for version in before.versions if before.stage_of(version) != after.stage_of(version)]
    names = sorted({**before.aliases, **after.aliases})
    pointed = [alias for alias in names if before.aliases.get(alias) != after.aliases.get(alias)]
    first, second = (
        {
            "stages": {str(version): state.stage_of(version) for version in moved},
            "aliases": {alias: state.aliases.get(alias) for alias in pointed},
        }
        for state in (before, after)
    )
    return first, second


def seal(entry: AuditEntry, subject: str, last: AuditEntry | None) -> AuditEntry:
    """The entry in its place after `last`, with its hash."""
    seq, previous = (1, "") if last is None else (last.seq + 1, last.hash)
    placed = replace(entry, subject=subject, seq=seq, previous=previous)
    return replace(placed, hash=_digest(placed))


def verify(entries: Sequence[AuditEntry]) -> None:
    """Check the chain from its first entry on.

    Raises:
        IntegrityError: an entry was changed, removed or inserted; names the first entry that doesn't fit.
    """
    previous = ""
    for seq, entry in enumerate(entries, start=1):
        if entry.seq != seq or entry.previous != previous or entry.hash != _digest(entry):
            msg = (
                f"the audit trail of {entry.subject!r} doesn't hold at entry {seq}: an entry there was changed, removed or added "
                "past the registry; compare it with a backup of the catalog"
            )
            raise IntegrityError(msg)
        previous = entry.hash


def verify_state(entries: Sequence[AuditEntry], state: Lifecycle) -> None:
    """Check that the entries, played from the first, lead to the state that is there.

    Raises:
        IntegrityError: a version or an alias was added or moved without the registry, or the newest entries are missing.
    """
    stages: dict[str, str | None] = {}
    aliases: dict[str, int | None] = {}
    for entry in entries:
        if entry.action in CLOSING:
            stages, aliases = {}, {}
        if entry.action == "register":
            stages[str(entry.version)] = "None"
        stages.update(entry.after.get("stages", {}))
        aliases.update(entry.after.get("aliases", {}))
    now = {str(version): state.stage_of(version) for version in state.versions}
    stages = {version: stage for version, stage in stages.items() if stage is not None}
    if stages != now or {alias: version for alias, version in aliases.items() if version is not None} != state.aliases:
        subject = entries[-1].subject if entries else ""
        msg = (
            f"the audit trail of {subject!r} doesn't lead to the stages and aliases that the registry holds: one of them was "
            "changed past the registry; compare them with a backup of the catalog"
        )
        raise IntegrityError(msg)


def _digest(entry: AuditEntry) -> str:
    facts = {name: value for name, value in asdict(entry).items() if name != "hash"}
    if not entry.origin:  # entries from before it was kept were hashed without
        del facts["origin"]
    return content_hash(facts)
