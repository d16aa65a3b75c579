"""The access log: lines as JSON, and what happens when nobody takes them."""

from __future__ import annotations

import io
import json
import os

from headrace.server.logs import AccessLog


def add(log, request_id="r"):
    log.add(request_id, "GET", "/version", 200, 0.0015, ("127.0.0.1", 1))


def test_each_request_is_a_line_with_its_id():
    stream = io.BytesIO()
    log = AccessLog(stream)
    add(log, "a")
    add(log, "b")
    assert stream.getvalue() == b""
    log.flush()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["request_id"], line["path"], line["status"], line["ms"], line["client"]) for line in lines] == [
        ("a", "/version", 200, 1.5, "127.0.0.1"),
        ("b", "/version", 200, 1.5, "127.0.0.1"),
    ]


def test_lines_that_nobody_reads_are_dropped_and_the_next_ones_are_tried():
    reader, writer = os.pipe()
    os.close(reader)
    log = AccessLog(os.fdopen(writer, "wb", buffering=0))
    for _ in range(3):
        add(log)
        log.flush()
        assert log._waiting == []
    log._stream.close()
