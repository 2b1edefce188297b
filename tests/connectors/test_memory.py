import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lakebed.connectors.memory import usable_memory

MIB = 1 << 20
LIMITS = {1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
          2: ("memory.max", "memory.current", "inactive_file")}  # fmt: skip


def write_group(system, version, path, limit, used=0, cached=0):
    """One control group, as the kernel shows it."""
    group = system / "sys/fs/cgroup" / ("memory" if version == 1 else "") / path.strip("/")
    group.mkdir(parents=True, exist_ok=True)
    of_limit, of_use, of_cache = LIMITS[version]
    (group / of_limit).write_text(f"{limit}\n")
    (group / of_use).write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"anon 7\n{of_cache} {cached}\n")


def write_place(system, version, path):
    (system / "proc/self").mkdir(parents=True)
    lines = f"4:cpu,memory:{path}\n0::/\n" if version == 1 else f"0::{path}\n"
    (system / "proc/self/cgroup").write_text(lines)


@pytest.mark.parametrize("version", [1, 2])
def test_the_least_limit_of_the_groups_above_counts(tmp_path, version):
    write_place(tmp_path, version, "/outer/inner")
    write_group(tmp_path, version, "/outer/inner", "max" if version == 2 else 9223372036854771712)
    assert not usable_memory(tmp_path).is_limited
    write_group(tmp_path, version, "/outer", 64 * MIB, used=50 * MIB, cached=20 * MIB)
    found = usable_memory(tmp_path)
    assert (found.total_bytes, found.available_bytes, found.is_limited) == (64 * MIB, 34 * MIB, True)
    write_group(tmp_path, version, "/outer/inner", 16 * MIB, used=20 * MIB)
    found = usable_memory(tmp_path)
    assert (found.total_bytes, found.available_bytes) == (16 * MIB, 0)


@pytest.mark.parametrize("version", [1, 2])
def test_in_a_container_what_is_mounted_is_its_own_group(tmp_path, version):
    write_place(tmp_path, version, "/docker/0123456789ab")
    write_group(tmp_path, version, "/", 32 * MIB, used=MIB)
    assert usable_memory(tmp_path).available_bytes == 31 * MIB


def test_without_groups_it_is_the_machines(tmp_path):
    found = usable_memory(tmp_path)
    assert found.total_bytes == psutil.virtual_memory().total and not found.is_limited
    assert usable_memory().total_bytes <= found.total_bytes


JOIN = """
import sys
from pathlib import Path
(Path(sys.argv[1]) / "cgroup.procs").write_text("0")
from lakebed.connectors.memory import usable_memory
print(usable_memory().total_bytes, usable_memory().is_limited)
"""


def test_a_real_group_limits_a_process_of_its_own():
    group = own_group()
    if group is None:
        pytest.skip("no control group may be made here")
    try:
        limit = group / ("memory.limit_in_bytes" if "memory" in group.parts else "memory.max")
        limit.write_text(str(512 * MIB))
        command = [sys.executable, "-c", JOIN, str(group)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.split() == [str(512 * MIB), "True"]
    finally:
        group.rmdir()


def own_group():
    """A new group below this process's own; None where that is not allowed."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        folder = {"memory": "memory", "": "."}.get(names)
        place = Path("/sys/fs/cgroup", folder or "", path.strip("/"), "lakebed-test")
        if folder is not None and place.parent.is_dir():
            try:
                place.mkdir()
            except OSError:
                continue
            if any((place / name).exists() for name in ("memory.limit_in_bytes", "memory.max")):
                return place
            place.rmdir()
    return None
