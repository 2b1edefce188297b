import os
import subprocess
import sys

from tasks.runtime.memory import peak_memory_bytes

GROW = (
    "from tasks.runtime.memory import peak_memory_bytes as p; a = p(); x = bytearray(200 << 20); del x; print(a, p())"
)


def test_the_peak_stays_after_memory_is_given_back():
    done = subprocess.run([sys.executable, "-c", GROW], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after - before > 190 << 20


def test_of_another_process():
    assert peak_memory_bytes(os.getpid()) > 0
    assert peak_memory_bytes(2**22 + 1) == 0
