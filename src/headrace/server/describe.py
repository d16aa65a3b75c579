"""The OpenAPI document on standard output, for the app's types: `python -m headrace.server.describe`."""

from __future__ import annotations

import sys

from headrace.server.app import ENDPOINTS
from headrace.server.columns import dumps
from headrace.server.openapi import document

__all__ = []

if __name__ == "__main__":
    sys.stdout.buffer.write(dumps(document(ENDPOINTS)))
