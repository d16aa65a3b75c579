"""What the events of one run say: scalars, hyperparameters, texts, images."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.errors import IntegrityError, MissingExtraError
from headrace.importers.made import MadeFile
from headrace.importers.tensorboard.records import read_record, records
from headrace.tracking.run import Metric

__all__ = ["EventLog", "read_events"]

START, END = "_hparams_/session_start_info", "_hparams_/session_end_info"
_FLOAT, _DOUBLE, _INT32, _STRING, _INT64, _HALF, _BFLOAT16 = 1, 2, 3, 7, 9, 19, 14
_TYPES = {_FLOAT: "<f4", _DOUBLE: "<f8", _INT32: "<i4", _INT64: "<i8", _HALF: "<f2"}
_FAILURE = 2
_RESTART = 1
_ENDINGS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"RIFF": "wav"}


@dataclass(slots=True)
class EventLog:
    """One run, as its event files have it.

    Attributes:
        points: by tag.
        files: texts, images and sounds by path; their bytes stay in the event files.
        params: of the hparams plugin.
        failed: the hparams plugin was told that the session failed.
        first, last: microseconds since 1970, of the first and the last event.
        omitted: kinds of data that aren't carried, with their numbers.
        taken_back: scalars that a restarted writer took back, which TensorBoard doesn't show either.
        problems: what of the files couldn't be read.
    """

    points: dict[str, list[Metric]] = field(default_factory=dict)
    files: dict[str, MadeFile] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    failed: bool = False
    first: int = 0
    last: int = 0
    omitted: Counter[str] = field(default_factory=Counter)
    taken_back: int = 0
    problems: list[str] = field(default_factory=list)


def read_events(files: list[Path]) -> EventLog:
    """Read the event files of one run, in their order."""
    log = EventLog()
    plugins: dict[str, str] = {}
    for path in files:
        try:
            for place, data in records(path):
                _take(log, path, place, data, plugins)
        except IntegrityError as error:
            log.problems.append(str(error))
        except OSError as error:
            log.problems.append(f"{path} can't be read: {error.strerror}")
    return log


def _take(log: EventLog, path: Path, place: int, data: bytes, plugins: dict[str, str]) -> None:
    event = _event(data, path, place)
    time = round(event.wall_time * 1e6)
    log.first = min(log.first or time, time)
    log.last = max(log.last, time)
    if event.graph_def:
        log.omitted["graphs"] += 1
    if event.session_log.status == _RESTART:
        _take_back(log, event.step)
    for number, value in enumerate(event.summary.value):
        plugin = value.metadata.plugin_data.plugin_name or plugins.get(value.tag, "")
        plugins.setdefault(value.tag, plugin)
        _take_value(log, (path, place, number), value, plugin, (time, event.step))


def _take_back(log: EventLog, step: int) -> None:
    """Drop what was logged from a step on: a training that went back to it begins there once more."""
    for key, points in list(log.points.items()):
        kept = [point for point in points if point.step < step]
        log.taken_back += len(points) - len(kept)
        if kept:
            log.points[key] = kept
        else:
            del log.points[key]


def _take_value(log: EventLog, where: tuple[Path, int, int], value: Any, plugin: str, when: tuple[int, int]) -> None:
    time, step = when
    kind = value.WhichOneof("value")
    if plugin == "hparams" or value.tag in (START, END):
        _take_hparams(log, value)
    elif kind == "simple_value":
        log.points.setdefault(value.tag, []).append(Metric(value.tag, value.simple_value, time, step))
    elif kind == "image":
        _add_file(log, "images", where, value.tag, step, value.image.encoded_image_string, 0)
    elif kind == "audio":
        _add_file(log, "audio", where, value.tag, step, value.audio.encoded_audio_string, 0)
    elif kind == "tensor" and value.tensor.dtype == _STRING and plugin in ("text", "images", "audio"):
        first = 2 if plugin == "images" else 0  # before the images stand their width and height
        for index, content in enumerate(value.tensor.string_val[first:], first):
            _add_file(log, plugin, where, value.tag, step, content, index)
    elif kind == "tensor" and (number := _scalar(value.tensor)) is not None and plugin in ("scalars", ""):
        log.points.setdefault(value.tag, []).append(Metric(value.tag, number, time, step))
    else:
        log.omitted[plugin or {"histo": "histograms"}.get(kind or "", "other summaries")] += 1


def _take_hparams(log: EventLog, value: Any) -> None:
    said = _module("plugin_hparams_pb2").HParamsPluginData.FromString(value.metadata.plugin_data.content)
    kind = said.WhichOneof("data")
    if kind == "session_start_info":
        for name, held in said.session_start_info.hparams.items():
            which = held.WhichOneof("kind")
            log.params[name] = "" if which is None else _text(getattr(held, which))
    elif kind == "session_end_info":
        log.failed = said.session_end_info.status == _FAILURE


def _text(value: Any) -> str:
    """A number that is whole as one: hparams knows no integers."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else str(value)


def _add_file(log: EventLog, kind: str, where: tuple[Path, int, int], tag: str, step: int, content: bytes, index: int) -> None:
    ending = "txt" if kind == "text" else next((end for head, end in _ENDINGS.items() if content.startswith(head)), "bin")
    base = f"{kind}/{tag}/step_{step}"
    name = f"{base}.{ending}" if f"{base}.{ending}" not in log.files else f"{base}_{len(log.files)}.{ending}"
    path, place, number = where

    def read() -> bytes:
        value = _event(read_record(path, place), path, place).summary.value[number]
        which = value.WhichOneof("value")
        if which == "image":
            return bytes(value.image.encoded_image_string)
        return bytes(value.audio.encoded_audio_string) if which == "audio" else bytes(value.tensor.string_val[index])

    log.files[name] = MadeFile(read, len(content), f"{path.name}:{place}:{number}:{index}")


def _scalar(tensor: Any) -> float | None:
    """The number of a tensor that holds one; None for others."""
    import numpy as np

    for held in (tensor.float_val, tensor.double_val, tensor.int_val, tensor.int64_val):
        if len(held) == 1:
            if tensor.dtype == _HALF:
                break
            return float(held[0])
    if tensor.dtype == _HALF and len(tensor.half_val) == 1:
        return float(np.array(tensor.half_val, np.uint16).view(np.float16)[0])
    if tensor.dtype == _BFLOAT16 and len(tensor.tensor_content) == 2:
        return float((np.frombuffer(tensor.tensor_content, "<u2").astype(np.uint32) << 16).view(np.float32)[0])
    kind = _TYPES.get(tensor.dtype)
    if kind is None or len(tensor.tensor_content) != np.dtype(kind).itemsize:
        return None
    return float(np.frombuffer(tensor.tensor_content, kind)[0])


def _event(data: bytes, path: Path, place: int) -> Any:
    pb = _module("event_pb2")
    try:
        return pb.Event.FromString(data)
    except importlib.import_module("google.protobuf.message").DecodeError as error:
        msg = f"{path} is damaged at byte {place}: a record holds no event; what is before it is carried"
        raise IntegrityError(msg) from error


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"tensorboardX.proto.{name}")
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("tensorboardX", "tensorboard") from error
