"""Watches the memory and the load of the card, and the memory of the host, during a step."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from packages import IMPORT_SECONDS

WATCH_END_SECONDS = 5  # the longest wait for nvidia-smi, which may hang
# Prints how nvidia-smi calls the card that PyTorch uses. It is always the PCI address if PyTorch
# knows it: a part of a card (MIG) has an identifier of its own, which nvidia-smi may refuse.
FIND_CARD = """
import torch
card = torch.cuda.get_device_properties(0)
if hasattr(card, "pci_bus_id"):
    print(f"{card.pci_domain_id:08x}:{card.pci_bus_id:02x}:{card.pci_device_id:02x}.0")
else:
    print(f"GPU-{card.uuid}")
"""


@dataclass
class MachineWatch:
    """Reads the card's memory and load, and the host's free memory, twice a second."""

    peak_card_mib: int | None = None
    min_host_available_mib: int | None = None
    card_load: list[int] = field(default_factory=list)  # percent of the time that a kernel ran

    def facts(self) -> dict[str, Any]:
        """Return the extremes that were read; a value that nvidia-smi did not give is left out."""
        found: dict[str, Any] = {"min_host_available_mib": self.min_host_available_mib}
        if self.peak_card_mib is not None:
            found["peak_card_mib"] = self.peak_card_mib
        if self.card_load:
            found["mean_card_load_percent"] = round(sum(self.card_load) / len(self.card_load), 1)
        return found

    def note_card(self, line: str) -> None:
        """Note a line of nvidia-smi: the memory in MiB and the load in percent.

        It writes [N/A] for what it cannot say, such as the load of a card in parts (MIG).
        """
        memory, _, load = (part.strip() for part in line.partition(","))
        if memory.isdecimal():
            self.peak_card_mib = max(self.peak_card_mib or 0, int(memory))
        if load.isdecimal():
            self.card_load.append(int(load))

    def note_host(self) -> None:
        """Note the host's free memory; only Linux says it."""
        path = Path("/proc/meminfo")
        if path.exists() and (found := re.search(r"MemAvailable:\s*(\d+)", path.read_text())):
            mib = int(found[1]) // 1024
            self.min_host_available_mib = min(self.min_host_available_mib or mib, mib)


def find_card() -> str | None:
    """How nvidia-smi calls the card that PyTorch uses; None, with a line, if that is not known.

    Another process asks PyTorch, so that this one takes no memory of the card.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", FIND_CARD], capture_output=True, text=True,
            timeout=IMPORT_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        why = f"it has not answered for {IMPORT_SECONDS} s"
    else:
        if done.returncode == 0:
            return done.stdout.split()[-1]
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:200]
    print(f"memory and load of the card are not watched: PyTorch does not name it ({why})")
    return None


@contextmanager
def watch_machine(card: str | None) -> Iterator[MachineWatch]:
    """Watch the host and, if ``card`` names one for nvidia-smi, this card during the block."""
    watch, stop = MachineWatch(), threading.Event()

    def read_host() -> None:
        watch.note_host()
        while not stop.wait(0.5):
            watch.note_host()

    def read_card(lines: IO[str]) -> None:
        with lines:
            for line in lines:
                watch.note_card(line)

    threads = [threading.Thread(target=read_host, daemon=True)]
    reader: subprocess.Popen[str] | None = None
    if card is not None and shutil.which("nvidia-smi"):
        query = "--query-gpu=memory.used,utilization.gpu"
        reader = subprocess.Popen(
            ["nvidia-smi", "-i", card, query, "--format=csv,noheader,nounits", "-lms", "500"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        threads.append(threading.Thread(target=read_card, args=(reader.stdout,), daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        stop.set()
        if reader is not None:
            reader.kill()
            # A driver that hangs does not let it end: it is left alone then.
            with contextlib.suppress(subprocess.TimeoutExpired):
                reader.wait(WATCH_END_SECONDS)
        for thread in threads:
            thread.join(WATCH_END_SECONDS)
