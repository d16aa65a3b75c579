"""What the registry keeps: registered models, their versions, and the `models:/` addresses that name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from headrace.arguments import is_text
from headrace.clock import isoformat
from headrace.display import facts_html
from headrace.errors import InvalidInputError
from headrace.flavors.signature import Signature
from headrace.models.gates import Gate
from headrace.models.lifecycle import Lifecycle, Stage
from headrace.tracking.run import ArtifactEntry, DatasetInput

__all__ = [
    "BRANCH_TAG",
    "COMMIT_TAG",
    "DIRTY_TAG",
    "REPOSITORY_TAG",
    "SOURCE_NAME_TAG",
    "SYSTEM",
    "Address",
    "ModelVersion",
    "Origin",
    "RegisteredModel",
    "check_alias",
    "check_name",
    "check_tags",
    "parse_uri",
]

COMMIT_TAG = "mlflow.source.git.commit"
BRANCH_TAG = "mlflow.source.git.branch"
DIRTY_TAG = "headrace.git.dirty"
REPOSITORY_TAG = "mlflow.source.git.repoURL"
SOURCE_NAME_TAG = "mlflow.source.name"
"""The tags of a run that say which code it ran."""
SYSTEM = "system/"
"""What the keys of the machine's metrics start with; they say nothing about the model."""
_SHOWN_METRICS = 30
MAX_NAME, MAX_ALIAS, MAX_TAG_KEY, MAX_TAG_VALUE = 256, 255, 250, 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What was known of the run when the version was registered. It is kept with the version, whatever happens to the run.

    Attributes:
        metrics: latest value of each metric.
        params: parameters as text.
        datasets: the data that the run used.
        tags: the run's tags, the commit of its code among them.
        environment: Python, platform, machine and container image that it ran on.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[DatasetInput, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a registered model, as it was when it was read.

    Attributes:
        name: the registered model.
        version: counts from 1 within the model; never reused.
        stage: None, Staging, Production or Archived, as text.
        aliases: every alias that names it, `champion` and `challenger` among them.
        model_id, run_id: the logged model and the run it came from; each may be empty.
        flavor, serializer, details: how it is stored, as the logged model says.
        view: the feature view version it reads, `ranking:3`; empty if none.
        signature: the columns it takes and gives; None if unknown.
        files: path, SHA-256 and size of each file.
        requirements: packages needed to load it, as pip names them.
        user: who registered it.
        created, updated: microseconds since 1970.
        description, tags: free text, may change later.
        owner: who is responsible for it; empty if nobody was named.
        card: the text of its model card, Markdown; `models.card` adds facts to it.
        origin: metrics, parameters, data and tags of the source run.
        source: where the files came from, in MLflow's words: `models:/m-…`, `mlflow-artifacts:/0/RUN/artifacts/model`, `s3://…`.
        link: an address of the run's page, if one was given.
    """

    name: str
    version: int
    stage: Stage = "None"
    aliases: tuple[str, ...] = ()
    model_id: str
    run_id: str
    flavor: str
    serializer: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    view: str = ""
    signature: Signature | None = None
    files: tuple[ArtifactEntry, ...] = ()
    requirements: tuple[str, ...] = ()
    user: str = ""
    created: int = 0
    updated: int = 0
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    link: str = ""
    owner: str = ""
    card: str = ""
    origin: Origin = field(default_factory=Origin)

    def _repr_html_(self) -> str:
        facts = [("stage", self.stage), ("aliases", ", ".join(self.aliases)), ("flavor", self.flavor), ("view", self.view)]
        more = [("run", self.run_id), ("registered by", self.user), ("at", isoformat(self.created)), ("bytes", f"{self.size:,}")]
        return facts_html(self.uri, [*facts, *more, *sorted(self.metrics.items())[:_SHOWN_METRICS]])

    @property
    def uri(self) -> str:
        """`models:/name/version`: its address, and its name in the lineage."""
        return f"models:/{self.name}/{self.version}"

    @property
    def urn(self) -> str:
        """The same as `uri`."""
        return self.uri

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The source run's latest metrics."""
        return self.origin.metrics

    @property
    def datasets(self) -> tuple[DatasetInput, ...]:
        """The data that the source run used."""
        return self.origin.datasets

    def to_dict(self) -> dict[str, Any]:
        """The version as plain JSON values."""
        times = {"created": isoformat(self.created), "updated": isoformat(self.updated)}
        return {**asdict(self), "uri": self.uri, "size": self.size, **times}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A name with versions.

    Attributes:
        name: unique in the catalog.
        lifecycle: where each version stands.
        gates: what a version must meet to reach Production.
        description, tags: free text.
        owner: who is responsible for it; empty if nobody was named.
        card: the text of its model card, Markdown, for all versions.
        created, updated: microseconds since 1970.
    """

    name: str
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    gates: tuple[Gate, ...] = ()
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    card: str = ""
    created: int = 0
    updated: int = 0

    @property
    def champion(self) -> int | None:
        """The version in Production; None if there is none."""
        return self.lifecycle.champion

    @property
    def challenger(self) -> int | None:
        """The version that came to Staging last; None if there is none."""
        return self.lifecycle.challenger

    @property
    def aliases(self) -> dict[str, int]:
        """Alias to version."""
        return self.lifecycle.aliases

    @property
    def latest(self) -> int | None:
        """The highest version; None if there is none."""
        return max(self.lifecycle.versions, default=None)

    def to_dict(self) -> dict[str, Any]:
        """The model as plain JSON values."""
        return {
            "name": self.name,
            "description": self.description,
            "tags": dict(self.tags),
            "owner": self.owner,
            "champion": self.champion,
            "challenger": self.challenger,
            "latest": self.latest,
            "versions": len(self.lifecycle.versions),
            "aliases": self.aliases,
            "gates": [gate.to_dict() for gate in self.gates],
            "created": isoformat(self.created),
            "updated": isoformat(self.updated),
        }


class Address(NamedTuple):
    """What a `models:/` address names: a logged model (`model_id`), or a model with a version, stage, `latest` or `@alias`."""

    name: str
    selector: str
    model_id: str = ""


def parse_uri(uri: str) -> Address:
    """The parts of `models:/name/3`, `models:/name/Production`, `models:/name/latest`, `models:/name@alias` or `models:/m-…`.

    Raises:
        InvalidInputError: the text is none of these.
    """
    scheme, _, rest = uri.partition(":/") if isinstance(uri, str) else ("", "", "")
    rest = rest.strip("/")
    if scheme == "models" and rest:
        name, slash, selector = rest.partition("/")
        if slash and name and selector and "/" not in selector:
            return Address(name, selector)
        name, at, alias = rest.rpartition("@")
        if at and name and alias and not slash:
            return Address(name, f"@{alias}")
        if rest.startswith("m-") and not slash:
            return Address("", "", rest)
    forms = "models:/NAME/3, models:/NAME@ALIAS, models:/NAME/Production, models:/NAME/latest or models:/m-…"
    msg = f"{uri!r} isn't a model's address; use {forms}"
    raise InvalidInputError(msg)


def check_name(name: str) -> None:
    """Raise InvalidInputError unless `name` can name a registered model (as in MLflow: not blank, no `/` or `:`)."""
    fault = ""
    if not isinstance(name, str) or not name.strip():
        fault = "it is empty"
    elif "/" in name or ":" in name:
        fault = "it may not contain '/' or ':'"
    elif name in (".", "..") or name != name.strip() or not name.isprintable():
        fault = "it may not be '.' or '..', begin or end with a space, or hold control characters"
    elif len(name) > MAX_NAME:
        fault = f"it is longer than {MAX_NAME} characters"
    if fault:
        msg = f"{_short(name)} can't name a model: {fault}; use for example 'video-ranker'"
        raise InvalidInputError(msg)


def check_alias(alias: str) -> None:
    """Raise InvalidInputError unless `alias` can be one (as in MLflow: letters, digits, `_`, `-`; not `latest`, not `v3`)."""
    fault = ""
    if not isinstance(alias, str) or not re.fullmatch(r"[\w\-]+", alias):
        fault = "it may hold letters, digits, '_' and '-' alone"
    elif alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias):
        fault = "'latest' and 'v' with a number mean a version already"
    elif len(alias) > MAX_ALIAS:
        fault = f"it is longer than {MAX_ALIAS} characters"
    if fault:
        msg = f"{_short(alias)} can't be an alias: {fault}; use for example 'blue'"
        raise InvalidInputError(msg)


def check_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """The tags with their values as text. Raises InvalidInputError for an empty or overlong key, an overlong value, or NUL."""
    out = {str(key): str(value) for key, value in tags.items()}
    for key, value in out.items():
        if not is_text(key + value):
            msg = f"tag {_short(key)}: it holds NUL or half of a character, which no catalog can keep; take that out"
            raise InvalidInputError(msg)
        if not key.strip() or len(key) > MAX_TAG_KEY or len(value) > MAX_TAG_VALUE:
            msg = f"tag {_short(key)}: a key has 1 to {MAX_TAG_KEY} characters, a value at most {MAX_TAG_VALUE}"
            raise InvalidInputError(msg)
    return out


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…'"
