"""The memory of several processes is measured without counting twice what they share."""

import json
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from fmbench.utils.processes import measure_memory

SHARING = """
import json, os
import numpy as np, psutil
from fmbench.utils.processes import measure_memory

everyone = [psutil.Process()]
images = np.ones(2**25)  # 256 MiB
ready, done = os.pipe(), os.pipe()
children = []
for _ in range(2):
    children.append(os.fork())
    if children[-1] == 0:
        own = np.ones(2**23)  # 64 MiB
        os.write(ready[1], b".")
        os.close(done[1])
        os.read(done[0], 1)  # until the parent closes its end
        os._exit(0)
for _ in children:
    os.read(ready[0], 1)
everyone += map(psutil.Process, children)
print(json.dumps([measure_memory(everyone), *(p.memory_info().rss for p in everyone)]))
os.close(done[1])
for child in children:
    os.waitpid(child, 0)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process shares")
def test_memory_that_forked_processes_share_is_counted_once():
    done = subprocess.run([sys.executable, "-c", SHARING], capture_output=True, check=True)
    total, parent, *children = json.loads(done.stdout)
    mib = 2**20
    assert min(parent, *children) > 256 * mib
    assert parent + 2 * 64 * mib < total < parent + 2 * 128 * mib


class Ended:
    def memory_info(self):
        raise psutil.NoSuchProcess(1)

    memory_full_info = memory_info


class Hidden(Ended):
    """A process of another user, as macOS shows it."""

    def memory_info(self):
        raise psutil.AccessDenied(2)

    memory_full_info = memory_info


class OnMacos:
    """There is no pss."""

    def __init__(self, resident, own):
        self.memory = SimpleNamespace(rss=resident, uss=own)

    def memory_info(self):
        return SimpleNamespace(rss=self.memory.rss)

    def memory_full_info(self):
        return self.memory


def test_processes_that_have_ended_or_are_hidden_count_nothing():
    assert measure_memory([]) == 0
    for unknown in (Ended(), Hidden()):
        assert measure_memory([unknown]) == 0
        assert measure_memory([OnMacos(100, 40), unknown]) == 100


def test_without_shares_the_largest_shared_part_is_counted_once():
    assert measure_memory([OnMacos(100, 40), OnMacos(90, 60)]) == 40 + 60 + 60
