import os
import subprocess
import sys

from lakebed.tasks.runtime.memory import peak_memory_bytes

GROW = (
    "from lakebed.tasks.runtime.memory import peak_memory_bytes as p; "
    "a = p(); x = bytearray(200 << 20); del x; print(a, p())"
)


def test_the_peak_stays_after_memory_is_given_back():
    done = subprocess.run([sys.executable, "-c", GROW], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after - before > 190 << 20


def test_of_another_process():
    assert peak_memory_bytes(os.getpid()) > 0
    assert peak_memory_bytes(2**22 + 1) == 0


CHURN = """
import resource
import numpy as np
from lakebed.tasks.runtime.memory import freed_memory_kept
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(80 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
plain = faults()
with freed_memory_kept():
    faults()
    kept = faults()
    held = resident()
print(plain, kept, held - resident())
"""


def test_freed_arrays_are_taken_again_and_given_back_at_the_end():
    done = subprocess.run([sys.executable, "-c", CHURN], capture_output=True, text=True, check=True)
    plain, kept, given_back = map(int, done.stdout.split())
    assert kept < plain / 4
    assert given_back > 60 << 20
