"""Tiny lakes for tests of the flow, and what shows that a lake was left alone."""

import hashlib
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

EDGES = {("names", "orders"), ("orders_part", "orders")}


def orders(n_rows=300):
    return pa.table(
        {
            "id": pa.array(range(n_rows), pa.int64()),
            "name": [f"n{i * 7}" for i in range(n_rows)],
            "x": [i * 0.37 for i in range(n_rows)],
        }
    )


def write_parquet_lake(root: Path) -> Path:
    """Three tables, `EDGES` among them."""
    root.mkdir(parents=True)
    pq.write_table(orders(), root / "orders.parquet")
    pq.write_table(orders().slice(20, 100), root / "orders_part.parquet")
    pq.write_table(orders().select(["id", "name"]).slice(5, 120), root / "names.parquet")
    return root


def write_mixed_lake(root: Path) -> Path:
    """The same, a CSV table that is contained in nothing, and a table that cannot be read."""
    write_parquet_lake(root)
    (root / "cities.csv").write_text("city,n\n" + "".join(f"c{i},{i * 3}\n" for i in range(50)))
    (root / "broken.parquet").write_bytes(b"PAR1 no footer")
    return root


def snapshot(root: Path) -> dict[str, tuple[str, int, int]]:
    """Every file, folder and link below `root`: digest or target, size, time of the last change."""
    found = {}
    for path in sorted(root.rglob("*")):
        facts = path.lstat()
        if path.is_symlink():
            content = os.readlink(path)
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[str(path.relative_to(root))] = (content, facts.st_size, facts.st_mtime_ns)
    return found


def replace_in_place(path: Path, old: bytes, new: bytes) -> None:
    """Other bytes under the same size and time of change."""
    assert len(old) == len(new)
    facts, data = path.stat(), path.read_bytes()
    assert data.count(old) >= 1
    with path.open("r+b") as stream:
        stream.write(data.replace(old, new))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (facts.st_size, facts.st_mtime_ns)
