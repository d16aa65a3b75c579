"""What the machine does while a run runs: `system/*` metrics, sampled behind it."""

from __future__ import annotations

import threading
import time
from typing import Any

from headrace.tracking.client.writer import NOWHERE, POINT, RunWriter
from headrace.tracking.run import SYSTEM_METRICS

__all__ = ["SystemMetrics"]

FIRST_SECONDS, SECONDS = 1.0, 15.0
_MEGA = 1e6


class SystemMetrics:
    """Samples processor, memory, disk, network and, where NVIDIA's library answers, graphics cards."""

    def __init__(self, writer: RunWriter, clock: Any) -> None:
        self._writer = writer
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"headrace-system-{writer.run_id[-6:]}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End it; a sample that is being taken is waited for."""
        self._stop.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        try:
            probe = _Probe()
            pause, step = FIRST_SECONDS, 0
            while not self._stop.wait(pause):
                now = self._clock()
                self._writer.points.extend(
                    POINT.pack(self._writer.series(f"{SYSTEM_METRICS}{key}", NOWHERE), now, step, value)
                    for key, value in probe.sample().items()
                )
                pause, step = SECONDS, step + 1
        except Exception as error:  # noqa: BLE001 - a machine that tells nothing is no reason to disturb the run
            self._writer.guard.later("system metrics", f"the machine can't be watched: {error}")


class _Probe:
    def __init__(self) -> None:
        import psutil

        self._psutil = psutil
        self._process = psutil.Process()
        self._cards = _cards()
        psutil.cpu_percent()
        self._process.cpu_percent()
        self._before = (time.monotonic(), self._counters())

    def sample(self) -> dict[str, float]:
        """Shares in percent, sizes in megabytes, rates in megabytes a second since the last time."""
        memory = self._psutil.virtual_memory()
        found = {
            "cpu_percent": self._psutil.cpu_percent(),
            "memory_percent": memory.percent,
            "memory_megabytes": memory.used / _MEGA,
            "process_cpu_percent": self._process.cpu_percent(),
            "process_memory_megabytes": self._process.memory_info().rss / _MEGA,
            **self._rates(),
        }
        for number, card in enumerate(self._cards):
            found |= {f"gpu_{number}_{key}": value for key, value in card().items()}
        return {key: float(value) for key, value in found.items()}

    def _rates(self) -> dict[str, float]:
        (then, before), (now, counters) = self._before, (time.monotonic(), self._counters())
        self._before = now, counters
        seconds = max(now - then, 1e-3)
        return {f"{key}_megabytes_per_second": (counters[key] - before.get(key, 0)) / seconds / _MEGA for key in counters}

    def _counters(self) -> dict[str, int]:
        disk, network = self._psutil.disk_io_counters(), self._psutil.net_io_counters()
        found = {} if disk is None else {"disk_read": disk.read_bytes, "disk_written": disk.write_bytes}
        return found if network is None else {**found, "network_received": network.bytes_recv, "network_sent": network.bytes_sent}


def _cards() -> list[Any]:
    """What asks each NVIDIA card; none without the package `nvidia-ml-py` or a driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
    except Exception:  # noqa: BLE001 - there is none, or nothing that can ask it
        return []

    def asks(handle: Any) -> Any:
        def ask() -> dict[str, float]:
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            use = pynvml.nvmlDeviceGetUtilizationRates(handle)
            return {"percent": use.gpu, "memory_percent": 100 * memory.used / memory.total}

        return ask

    return [asks(handle) for handle in handles]
