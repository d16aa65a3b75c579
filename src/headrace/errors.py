"""Every error that Headrace raises.

HeadraceError
├── DefinitionError        definitions that can't be accepted; holds every fault found, not the first one
├── NotFoundError          a name, version, run or model that doesn't exist; names the nearest that does
├── InvalidInputError      a frame, row, argument or expression that can't be used; nothing was changed
│   └── QueryError         a search text with a fault; holds the place and what may have been meant
├── ConflictError          the state changed under the caller, or a name is taken
│   └── AlreadyExistsError  a name or an id that is taken
├── GateError              a promotion that its gates refuse; holds the report
├── IntegrityError         stored bytes that don't match their checksum or hash
├── StorageError           a store that can't be reached, is full or read-only
├── SettingsError          a configuration value that can't be used
├── ModelError             a model that raises, hangs or dies while it predicts
├── AccessError            an account that may not do this
│   └── UnauthenticatedError  a request without credentials, or with wrong ones
│       └── TooManyAttemptsError  a password that wasn't checked, because too many wrong ones came before it
├── MissingExtraError      an optional package that isn't installed; names the extra
└── UnsafeModelError       a model that can't be loaded without running its author's code
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "AccessError",
    "AlreadyExistsError",
    "ConflictError",
    "DefinitionError",
    "GateError",
    "HeadraceError",
    "IntegrityError",
    "InvalidInputError",
    "MissingExtraError",
    "ModelError",
    "NotFoundError",
    "QueryError",
    "SettingsError",
    "StorageError",
    "TooManyAttemptsError",
    "UnauthenticatedError",
    "UnsafeModelError",
    "closest",
    "nearest",
]


class HeadraceError(Exception):
    """The base of every error of Headrace. Its message says what was wrong, where, and what to do next."""


class DefinitionError(HeadraceError):
    """Definitions that can't be accepted.

    Attributes:
        faults: every fault found, each naming the object, the field and what would be valid.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        lines = "\n".join(f"  - {fault}" for fault in self.faults)
        noun = "fault" if len(self.faults) == 1 else "faults"
        super().__init__(f"{len(self.faults)} {noun} in the definitions; nothing was changed:\n{lines}")


class NotFoundError(HeadraceError):
    """A name that doesn't exist. The message names the nearest one that does, or lists what exists."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> NotFoundError:
        """The error for a missing `name` of a `kind`, with the nearest of the `known` names."""
        return cls(f"no {kind} named {name!r}{nearest(name, known)}")


class InvalidInputError(HeadraceError):
    """A frame, a row, an argument or an expression that can't be used. Nothing was changed."""


class QueryError(InvalidInputError):
    """A filter or an order of a search with a fault. The message shows the text with a mark under the token.

    Attributes:
        reason: what is wrong, without the text.
        text: the whole text.
        start, length: the token in it, in characters; at the end of the text, the length is 0.
        suggestion: what to put in the token's place; None if nothing is near.
    """

    def __init__(self, reason: str, text: str = "", start: int = 0, length: int = 0, suggestion: str | None = None) -> None:
        self.reason, self.text, self.start, self.length, self.suggestion = reason, text, start, length, suggestion
        super().__init__(f"{reason}\n{self._marked()}" if text else reason)

    def _marked(self) -> str:
        width = max(1, self.length)
        shown = self.text.replace("\n", " ").replace("\t", " ")
        first = max(0, self.start - 60)
        line = shown[first : self.start + max(width, 60)]
        return f"  {line}\n  {' ' * (self.start - first)}{'^' * min(width, 60)}"


class ConflictError(HeadraceError):
    """The state changed under the caller, or a name is taken already."""


class AlreadyExistsError(ConflictError):
    """A name or an id that is taken, perhaps by something that was deleted."""


class GateError(HeadraceError):
    """A promotion that the model's gates refuse.

    Attributes:
        report: the gate report with each condition, its figure and its threshold.
    """

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class IntegrityError(HeadraceError):
    """Stored bytes that don't match their checksum or hash: the message names the file and the way to recover."""


class StorageError(HeadraceError):
    """A store that can't be reached, is full or is read-only."""


class SettingsError(HeadraceError):
    """A configuration value that can't be used: the message names the setting, where it came from and a valid one."""


class ModelError(HeadraceError):
    """A model that raises, hangs or dies while it predicts: the message says which. The service goes on."""


class AccessError(HeadraceError):
    """An account that may not do this: the message names the permission and the role that has it. Nothing was changed."""


class UnauthenticatedError(AccessError):
    """A request without credentials, or with wrong ones."""


class TooManyAttemptsError(UnauthenticatedError):
    """A password that wasn't checked, because too many wrong ones came before it.

    Attributes:
        retry_after: seconds until another one is checked.
    """

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MissingExtraError(HeadraceError):
    """An optional package that isn't installed: `pip install 'headrace[EXTRA]'`."""

    @classmethod
    def of(cls, package: str, extra: str) -> MissingExtraError:
        """The error for a missing `package` that the `extra` installs."""
        return cls(f"the package {package!r} isn't installed; install it with: pip install 'headrace[{extra}]'")


class UnsafeModelError(HeadraceError):
    """A model that can't be loaded without running its author's code; the message says how to allow that."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is nearest to this one, if any is near."""
    close = difflib.get_close_matches(str(name), sorted(set(known)), n=1, cutoff=0.6)
    return close[0] if close else None


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause to end an error message with: the nearest known name, else the known names, else that there is none."""
    names = sorted({str(item) for item in known})
    close = closest(name, names)
    if close is not None:
        return f"; did you mean {close!r}?"
    if not names:
        return "; there is none yet"
    shown = ", ".join(names[:8])
    more = f", … ({len(names)} in all)" if len(names) > 8 else ""
    return f"; there is: {shown}{more}"
