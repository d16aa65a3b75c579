"""How this process was started: script, module, notebook or prompt, and its arguments."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headrace.capture.redact import redact_arguments

__all__ = ["Entry", "ProcessFacts", "capture_process"]

Entry = Literal["script", "module", "notebook", "interactive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """A process.

    Attributes:
        entry: what was started.
        source: path of the script or notebook, name of the module; empty at a prompt.
        arguments: the command line after the interpreter, secrets taken out.
        folder: the working directory.
    """

    entry: Entry
    source: str
    arguments: tuple[str, ...]
    folder: str


def capture_process() -> ProcessFacts:
    """This process. Takes microseconds."""
    entry, source = _entry()
    return ProcessFacts(entry=entry, source=source, arguments=tuple(redact_arguments(sys.argv)), folder=_folder())


def _entry() -> tuple[Entry, str]:
    if "ipykernel" in sys.modules:
        return "notebook", os.environ.get("JPY_SESSION_NAME", "")
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return "module", spec.name.removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    if file and not file.startswith("<"):  # `<stdin>` is a prompt too
        return "script", str(Path(file).absolute())
    return "interactive", ""


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # the folder was removed under the process
        return ""
