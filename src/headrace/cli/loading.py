"""Definitions out of Python modules and files. A fault in one of them is told by file, line and message."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.source import EventSource, TableSource
from headrace.definitions.view import FeatureView
from headrace.errors import DefinitionError, HeadraceError, InvalidInputError
from headrace.settings import FILE_NAME

Definition = Entity | EventSource | TableSource | FeatureGroup | FeatureView

__all__ = ["Definition", "load_definitions"]

KINDS = (Entity, EventSource, TableSource, FeatureGroup, FeatureView)


def load_definitions(targets: Sequence[str], project: Path) -> list[Definition]:
    """Every entity, source, group and view that the modules hold, in the order of declaration.

    Args:
        targets: import paths (`features.users`) or Python files.
        project: the folder that modules are looked for in first.

    Raises:
        DefinitionError: with the fault of every module that can't be read.
        InvalidInputError: there are no targets, or they hold no definitions.
    """
    if not targets:
        msg = f"nothing to read: name a module or a Python file, or list 'modules' in {project / FILE_NAME}"
        raise InvalidInputError(msg)
    faults: list[str] = []
    found: list[Definition] = []
    for target in targets:
        try:
            found += definitions_in(_load(target, project))
        except DefinitionError as error:
            faults += error.faults
        except InvalidInputError as error:
            faults.append(str(error))
    if faults:
        raise DefinitionError(faults)
    if not found:
        msg = f"{', '.join(targets)} holds no definitions: no entity, source, feature group or feature view"
        raise InvalidInputError(msg)
    return list({id(item): item for item in found}.values())


def definitions_in(module: ModuleType) -> list[Definition]:
    """The definitions in a module's namespace, also those in lists and tuples there."""
    return [
        item
        for name, value in vars(module).items()
        if not name.startswith("__")
        for item in _flat(value)
        if isinstance(item, KINDS)
    ]


def _flat(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _load(target: str, project: Path) -> ModuleType:
    if target.endswith(".py") or "/" in target:
        return _load_file(Path(target).expanduser(), project)
    return _import(target, project, project)


def _load_file(path: Path, project: Path) -> ModuleType:
    file = next((found for found in (path.resolve(), (project / path).resolve()) if found.is_file()), None)
    if file is None:
        msg = f"{path}: there is no such file, neither here nor in {project}"
        raise InvalidInputError(msg)
    inside = file.is_relative_to(project)
    root = project if inside else file.parent
    name = ".".join(file.relative_to(root).with_suffix("").parts)
    if not all(part.isidentifier() for part in name.split(".")):
        msg = f"{path}: its name can't be imported; use letters, digits and _ alone"
        raise InvalidInputError(msg)
    module = _import(name, root, project)
    if module.__file__ is None or Path(module.__file__).resolve() != file:
        msg = f"{path}: another module named {name!r} comes first, {module.__file__}; rename the file"
        raise InvalidInputError(msg)
    return module


def _import(name: str, root: Path, project: Path) -> ModuleType:
    if str(root) not in sys.path:
        sys.path.append(str(root))  # last, so that a user's file never hides an installed package
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            msg = f"{name}: there is no such module in {project} or on Python's path"
            raise InvalidInputError(msg) from error
        raise InvalidInputError(_fault(error, name)) from error
    except SyntaxError as error:
        msg = f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
        raise InvalidInputError(msg) from error
    except SystemExit as error:
        msg = f"{name}: it ended Python with exit code {error.code}; a module of definitions must only define"
        raise InvalidInputError(msg) from error
    except DefinitionError as error:
        raise DefinitionError([_fault(error, name, fault) for fault in error.faults]) from error
    except HeadraceError as error:
        raise InvalidInputError(_fault(error, name, str(error))) from error
    except Exception as error:
        raise InvalidInputError(_fault(error, name)) from error


def _fault(error: Exception, name: str, words: str = "") -> str:
    """Where the user's own code raised it, not where ours or the import system did, and what it is."""
    ours = str(Path(__file__).resolve().parents[1])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith((ours, "<frozen"))]
    own = [frame for frame in frames if Path(frame.filename).suffix == ".py" and "importlib" not in Path(frame.filename).parts]
    where = f"{own[-1].filename}:{own[-1].lineno}" if own else name
    return f"{where}: {words or f'{type(error).__name__}: {error}'}"
