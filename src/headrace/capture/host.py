"""The machine that a run runs on."""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HostFacts", "capture_host", "user_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """A machine and this process on it.

    Attributes:
        cpu: model name.
        cores: physical cores; 0 if unknown.
        threads: logical processors that this process may use.
        memory: bytes of main memory.
        image: the container image, from HEADRACE_IMAGE, which its Dockerfile or its orchestrator sets, or as Podman says;
            empty if untold.
        container: the container's id; empty outside of one, or where it can't be told.
        runtime: kubernetes, docker or podman; empty outside of a container, or where it can't be told.
    """

    host: str
    user: str
    pid: int
    cpu: str
    cores: int
    threads: int
    memory: int
    image: str = ""
    container: str = ""
    runtime: str = ""


def capture_host() -> HostFacts:
    """The machine, read from the operating system."""
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0
    return HostFacts(
        host=socket.gethostname(),
        user=user_name(),
        pid=os.getpid(),
        cpu=_cpu(),
        cores=psutil.cpu_count(logical=False) or 0,
        threads=usable,
        memory=psutil.virtual_memory().total,
        image=os.environ.get("HEADRACE_IMAGE", "") or _podman_image(),
        runtime=_runtime(),
        container=_container(),
    )


def user_name() -> str:
    """The name of the user who runs this process; the number of one who has no name; empty if neither is known."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else ""


def _container() -> str:
    """The id of the container that this runs in: Docker and Kubernetes mount files from a folder of that name."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux
        return ""
    found = re.search(r"/containers?/(?:overlay-containers/)?([0-9a-f]{64})/", mounts)
    return found[1] if found else ""


def _runtime() -> str:
    """What runs the container that this runs in, by the marks that each leaves."""
    marks = {"podman": Path("/run/.containerenv").exists(), "docker": Path("/.dockerenv").exists()}
    found = next((name for name, there in marks.items() if there), "")
    return "kubernetes" if os.environ.get("KUBERNETES_SERVICE_HOST") else found


def _podman_image() -> str:
    """The image, where Podman wrote it into the container."""
    try:
        text = Path("/run/.containerenv").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    found = re.search(r'^image="([^"]*)"', text, re.MULTILINE)
    return found[1] if found else ""


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()
