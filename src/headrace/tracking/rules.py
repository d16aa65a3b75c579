"""What keys, values and paths may be."""

from __future__ import annotations

import os
import posixpath
import random
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from headrace.arguments import is_text
from headrace.errors import InvalidInputError
from headrace.tracking.run import NAME_TAG, DatasetInput, LoggedModel

__all__ = [
    "LONGEST_KEY",
    "LONGEST_PARAM",
    "LONGEST_TAG",
    "check_artifact_path",
    "check_dataset",
    "check_experiment_name",
    "check_experiment_tag",
    "check_key",
    "check_location",
    "check_model_kind",
    "check_model_name",
    "check_origin",
    "check_pairs",
    "clean_name",
    "clean_params",
    "clean_tags",
    "clean_text",
    "model_id_of",
    "random_name",
]

LONGEST_KEY = 250
LONGEST_PARAM = 6000
LONGEST_TAG = 8000
_LONGEST_PATH = 1000
_LONGEST_NAME = 500
_LONGEST_EXPERIMENT = 500
_LONGEST_EXPERIMENT_TAG = 20_000
_LONGEST_LOCATION = 2048
_LONGEST_ORIGIN = {"model's id": 64, "dataset's name": 500, "dataset's digest": 128}
_BUCKETS = ("s3", "gs", "az", "wasb", "wasbs", "abfs", "abfss")

_NOT_IN_A_MODEL = frozenset("/:.%\"'\0")
_KEY = re.compile(r"[/\w.\- :]+")
_MODEL = re.compile(r"(?:models:/|logged_model:)?(m-[\w\-]+)")
_PLAIN = re.compile(r"\w[\w\- :]*(/\w[\w\- :]*)*")
_ADJECTIVES = (
    "amber",
    "bold",
    "brisk",
    "calm",
    "clear",
    "deft",
    "eager",
    "fleet",
    "hardy",
    "keen",
    "merry",
    "nimble",
    "swift",
    "vivid",
)
_NOUNS = (
    "alder",
    "beck",
    "brook",
    "delta",
    "eddy",
    "fjord",
    "heron",
    "lagoon",
    "mill",
    "otter",
    "reed",
    "sluice",
    "trout",
    "weir",
)


def check_key(kind: str, key: Any) -> str:
    """The key itself, if it may name a metric, a param or a tag.

    Raises:
        InvalidInputError: it isn't text, is empty, has more than 250 characters, or isn't a plain relative path.
    """
    if isinstance(key, str) and _is_plain(key):
        return key
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        msg = (
            f"Invalid {kind} name: {key!r}. Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), "
            "spaces ( ), colons (:) and slashes (/), and aren't empty"
        )
        raise InvalidInputError(msg)
    if len(key) > LONGEST_KEY:
        msg = f"Invalid {kind} name: it has {len(key)} characters, more than {LONGEST_KEY}: {key[:40]!r}…"
        raise InvalidInputError(msg)
    if posixpath.normpath(key) != key or key.startswith(("..", "/")) or key == ".":
        msg = f"Invalid {kind} name: {key!r}. Names are treated as file paths; {posixpath.normpath(key).lstrip('./')!r} would do"
        raise InvalidInputError(msg)
    return key


@lru_cache(maxsize=10_000)
def _is_plain(key: str) -> bool:
    """Whether a key is one beyond doubt. The same few are logged again and again."""
    return len(key) <= LONGEST_KEY and _PLAIN.fullmatch(key) is not None


@lru_cache(maxsize=10_000)
def check_origin(*origin: Any) -> tuple[str, str, str]:
    """The model's id, the dataset's name and its digest themselves, if a point may have been measured on them. Raises
    InvalidInputError."""
    for (what, most), told in zip(_LONGEST_ORIGIN.items(), origin, strict=True):
        if not isinstance(told, str) or len(told) > most or not is_text(told):
            msg = f"Invalid {what} {str(told)[:40]!a} of a metric: it is text of at most {most} characters"
            raise InvalidInputError(msg)
    model_id, dataset_name, dataset_digest = origin
    return model_id, dataset_name, dataset_digest


def check_dataset(data: DatasetInput) -> None:
    """Raise InvalidInputError unless every catalog can keep what is told of the data: what names it is read again, and so isn't
    cleaned."""
    texts = [data.name, data.digest, data.source_type, data.source, data.schema, data.profile, data.context, data.urn]
    if not all(map(is_text, [*texts, *data.tags, *data.tags.values()])):
        msg = f"the dataset {data.name[:40]!a}: NUL or half of a character is in what is told of it; take that out"
        raise InvalidInputError(msg)


def check_pairs(kind: str, pairs: Any) -> Mapping[Any, Any]:
    """The mapping itself. Raises InvalidInputError if it isn't one."""
    if not isinstance(pairs, Mapping):
        msg = f"{kind}s are a mapping of names to values, such as {{'depth': 6}}, not a {type(pairs).__name__}"
        raise InvalidInputError(msg)
    return pairs


def clean_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Params as text, those longer than 6,000 characters cut. Raises InvalidInputError for a key."""
    return {
        check_key("param", key): clean_text(str(value)[:LONGEST_PARAM]) for key, value in check_pairs("param", params).items()
    }


def clean_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Tags as text, those longer than 8,000 characters cut, a run's name to 500. Raises InvalidInputError for a key."""
    found = {check_key("tag", key): clean_text(str(value)[:LONGEST_TAG]) for key, value in check_pairs("tag", tags).items()}
    if NAME_TAG in found:
        found[NAME_TAG] = clean_name(found[NAME_TAG])
    return found


def clean_name(name: str) -> str:
    """A run's name, cut to 500 characters: what an index of a database holds of it."""
    return clean_text(str(name)[:_LONGEST_NAME])


def clean_text(text: str) -> str:
    """The text as every catalog can hold it: NUL becomes `?`, and so do halves of characters, which Python has in the names of
    files that aren't UTF-8."""
    text = text.replace("\0", "?")
    return text if text.isascii() else text.encode(errors="replace").decode()


def check_experiment_name(name: Any) -> str:
    """The name itself, if it may name an experiment. Raises InvalidInputError."""
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_EXPERIMENT or not is_text(name):
        msg = f"Invalid experiment name: {str(name)[:40]!a}; give a text of 1 to {_LONGEST_EXPERIMENT} characters"
        raise InvalidInputError(msg)
    return name


def check_experiment_tag(key: Any, value: Any) -> tuple[str, str]:
    """The tag itself, if an experiment may have it: a value isn't cut. Raises InvalidInputError."""
    text = clean_text(str(value))
    if len(text) > _LONGEST_EXPERIMENT_TAG:
        msg = (
            f"'value' exceeds the maximum length of {_LONGEST_EXPERIMENT_TAG} characters: tag {str(key)[:40]!r} of an experiment"
        )
        raise InvalidInputError(msg)
    return check_key("tag", key), text


def check_model_name(name: Any) -> str:
    """The name itself, if a logged model may have it. Raises InvalidInputError."""
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_EXPERIMENT or set(name) & _NOT_IN_A_MODEL:
        wrong = "it is 1 to 500 characters, without / : . %, quotes and NUL"
        msg = f"Invalid model name ({str(name)[:40]!r}) provided. Model name must be a non-empty string: {wrong}"
        raise InvalidInputError(msg)
    return name


def check_model_kind(kind: str) -> str:
    """The kind itself, if a logged model may be of it. Raises InvalidInputError."""
    if not is_text(kind):
        msg = f"Invalid model type {kind[:40]!a}: NUL or half of a character is in it; take that out"
        raise InvalidInputError(msg)
    return kind


def model_id_of(model: object) -> str:
    """The id of a logged model: of the model itself, or of a text that names it as `m-…`, `models:/m-…` or by its URN.

    Raises InvalidInputError if it is neither.
    """
    if isinstance(model, LoggedModel):
        return model.id
    named = _MODEL.fullmatch(model) if isinstance(model, str) else None
    if named is None:
        given = repr(model[:80]) if isinstance(model, str) else f"a value of type {type(model).__name__}"
        msg = f"{given} isn't a logged model; pass what run.log_model returned, or its id, m-…"
        raise InvalidInputError(msg)
    return named[1]


def check_location(location: str) -> str:
    """Where an experiment's files are to be: a bucket's URL, or a path below the server's own artifacts, made whole.

    A server that took any address would read and write, with its own rights, whatever files a caller names.

    Raises:
        InvalidInputError: it is a place of the server's machine or of another host, or isn't a plain path.
    """
    scheme, colon, rest = location.partition(":")
    bucket = bool(colon) and scheme.lower() in _BUCKETS
    path = rest.removeprefix("//") if bucket else rest.lstrip("/") if scheme == "mlflow-artifacts" else location
    own = not colon or (scheme == "mlflow-artifacts" and not rest.startswith("//"))
    plain = path == posixpath.normpath(path) and not path.startswith(("/", "..")) and not set(path) & set("\\#?;%@")
    if not plain or not (bucket or own) or len(location) > _LONGEST_LOCATION or any(char < " " for char in path):
        ways = "give a bucket's URL such as s3://bucket/path, a path below the server's artifacts such as team/run-files, or none"
        msg = f"Invalid artifact location: {location[:80]!r}; {ways}"
        raise InvalidInputError(msg)
    if own and path.partition("/")[0].isdecimal():
        msg = f"Invalid artifact location: {location[:80]!r}; a number there is another experiment's place, choose a name"
        raise InvalidInputError(msg)
    return location if bucket else f"mlflow-artifacts:/{path}"


def check_artifact_path(path: Any) -> str:
    """The path itself, if it stays below the run: relative, with `/`, without `..`. Raises InvalidInputError."""
    if not isinstance(path, str | os.PathLike):
        msg = f"Invalid path: a {type(path).__name__}; the path comes first, for example run.log_figure('roc.png', figure)"
        raise InvalidInputError(msg)
    text = os.fspath(path)
    fine = text and text == posixpath.normpath(text) and not text.startswith(("/", "..")) and text != "."
    if not fine or "\\" in text or any(char < " " for char in text) or not is_text(text) or len(text) > _LONGEST_PATH:
        msg = f"Invalid path: {text[:80]!r}; give a relative path with forward slashes, for example plots/roc.png"
        raise InvalidInputError(msg)
    return text


def random_name() -> str:
    """A name for a run that was given none: `swift-otter-417`."""
    return f"{random.choice(_ADJECTIVES)}-{random.choice(_NOUNS)}-{random.randrange(1000)}"  # noqa: S311 - not a secret
