"""Seeded edits of a small lake of all formats: each the kind of thing that happens to a lake between two runs."""

import os
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from deltalake import DeltaTable as Log
from deltalake import write_deltalake

from lakebed.data_samples.delta_log import SparkLikeDelta
from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions, JsonLines, ParquetFile, ParquetParts

if TYPE_CHECKING:
    from collections.abc import Callable

LAYOUTS = {
    "parquet": ParquetFile(row_group_rows=64),
    "cut": ParquetFile(is_cutting_bounds=True),
    "parts": ParquetParts(2),
    "hive": HivePartitions(("city",)),
    "delta": DeltaTable(n_commits=2),
    "csv": CsvFile(),
    "json": JsonLines(),
}


class EditedLake:
    """A lake whose tables are parts of one base table, and the edits that were made to it.

    Without text there is nothing that only Spark reads, either.
    """

    def __init__(self, root: Path, base: pa.Table, seed: int, *, has_text: bool = True) -> None:
        self.root, self.base, self._has_text = root, base, has_text
        self._kinds = [kind for kind in LAYOUTS if has_text or kind not in ("csv", "json")]
        self.log: list[str] = []
        self._random = random.Random(seed)
        self._number = 0
        self._tables: dict[str, str] = {}
        self._clock = 1_700_000_000_000_000_000
        for kind in self._kinds:
            self._write(f"{kind}_whole", kind, base)
            self._write(f"{kind}_part", kind, self._cut(base))
        self._write("narrow", "parquet", base.select(base.column_names[:2]).slice(3, 40))
        if not has_text:
            return
        deleted = base.slice(0, 2).set_column(0, base.column_names[0], pa.array([-9, 99_999], pa.int64()))
        SparkLikeDelta(deleted=deleted).write(root, "vectors", base.slice(20, 100))
        for name, rows in (("texts", (0, 60)), ("other_texts", (0, 90))):
            self._append_text(name, base.slice(*rows), 0)

    def edit(self) -> str:
        """Makes one edit, and says what it was."""
        edits: list[Callable[[], str]] = [
            self._append_parts, self._append_delta, self._append_partition,
            self._remove_rows, self._drop, self._add_copy, self._add_copy, self._add_column, self._spoil, self._touch,
            self._rename, self._delete_from_delta, self._remove_file, self._add_commit,
        ]  # fmt: skip
        edits += [self._append_csv, self._append_json] if self._has_text else []
        self.log.append(self._random.choice(edits)())
        return self.log[-1]

    def _append_parts(self) -> str:
        name = self._pick("parts")
        pq.write_table(self._cut(self.base), self.root / name / f"part-1{self._next():04d}.parquet")
        return f"appended a file to {name}"

    def _append_delta(self) -> str:
        name = self._pick("delta")
        write_deltalake(self.root / name, self._cut(self.base), mode="append", schema_mode="merge")
        return f"appended a commit to {name}"

    def _append_partition(self) -> str:
        name = self._pick("hive")
        rows = self._cut(self.base).drop_columns("city")
        target = self.root / name / f"city=new {self._next()}" / "part-00000.parquet"
        target.parent.mkdir()
        pq.write_table(rows, target)
        return f"appended a partition to {name}"

    def _append_csv(self) -> str:
        return self._append_text("texts", self._cut(self.base), self._next())

    def _append_json(self) -> str:
        return self._append_text("other_texts", self._cut(self.base), self._next())

    def _append_text(self, name: str, rows: pa.Table, number: int) -> str:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        pa_csv.write_csv(rows, folder / f"part-{number:05d}.csv")
        return f"appended text to {name}"

    def _remove_rows(self) -> str:
        name, kind = self._any()
        self._write(name, kind, self._cut(self.base))
        return f"rewrote {name} with fewer rows"

    def _remove_file(self) -> str:
        name = self._pick("parts")
        files = sorted((self.root / name).glob("part-*.parquet"))
        if len(files) > 1:
            self._random.choice(files).unlink()
        return f"removed a file of {name}"

    def _drop(self) -> str:
        name, _ = self._any()
        if len(self._tables) > len(self._kinds):
            self._remove(name)
            del self._tables[name]
        return f"dropped {name}"

    def _add_copy(self) -> str:
        kind = self._random.choice(self._kinds)
        name = self._random.choice(["a", "m", "z"]) + f"_new_{kind}_{self._next()}"
        columns = self.base.column_names
        rows = self._cut(self.base)
        if self._random.random() < 0.4 and kind != "hive":
            rows = rows.select(columns[: self._random.randint(1, len(columns) - 1)])
        self._write(name, kind, rows)
        return f"added {name}"

    def _add_column(self) -> str:
        name, kind = self._any()
        rows = self._cut(self.base)
        self._write(name, kind, rows.append_column("extra", pa.array(range(rows.num_rows), pa.int64())))
        return f"added a column to {name}"

    def _spoil(self) -> str:
        name, kind = self._any()
        rows = self._cut(self.base)
        first = rows["price"].to_pylist()
        first[0] += 0.25
        place = rows.column_names.index("price")
        self._write(name, kind, rows.set_column(place, "price", pa.array(first, pa.float64())))
        return f"changed one cell of {name}"

    def _touch(self) -> str:
        files = sorted(path for path in self.root.rglob("*.parquet") if "_delta_log" not in path.parts)
        path = self._random.choice(files)
        self._clock += 1_000_000_000
        os.utime(path, ns=(self._clock, self._clock))
        return f"touched {path.name}"

    def _rename(self) -> str:
        name, kind = self._any()
        new = f"{self._random.choice(['b', 'y'])}_renamed_{self._next()}"
        ending = {"csv": ".csv", "json": ".jsonl", "parquet": ".parquet", "cut": ".parquet"}.get(kind, "")
        shutil.move(self.root / f"{name}{ending}", self.root / f"{new}{ending}")
        self._tables[new] = self._tables.pop(name)
        return f"renamed {name} to {new}"

    def _delete_from_delta(self) -> str:
        name = self._pick("delta")
        Log(self.root / name).delete(f"price > {self._random.uniform(50, 250):.1f}")
        return f"deleted rows of {name}"

    def _add_commit(self) -> str:
        name = self._pick("delta")
        properties = {"delta.logRetentionDuration": f"interval {self._next()} days"}
        Log(self.root / name).alter.set_table_properties(properties)
        return f"changed the properties of {name}"

    def _cut(self, rows: pa.Table) -> pa.Table:
        start = self._random.randint(0, rows.num_rows - 30)
        part = rows.slice(start, self._random.randint(10, rows.num_rows - start))
        return pa.concat_tables([part, part.slice(0, 5)]) if self._random.random() < 0.3 else part

    def _pick(self, kind: str) -> str:
        names = [name for name, known in self._tables.items() if known == kind]
        if not names:
            self._write(f"{kind}_again_{self._next()}", kind, self._cut(self.base))
            return self._pick(kind)
        return self._random.choice(sorted(names))

    def _any(self) -> tuple[str, str]:
        name = self._random.choice(sorted(self._tables))
        return name, self._tables[name]

    def _write(self, name: str, kind: str, rows: pa.Table) -> None:
        self._remove(name)
        if kind == "hive" and "city" not in rows.column_names:
            kind = "parquet"
        LAYOUTS[kind].write(self.root, name, rows)
        self._tables[name] = kind

    def _remove(self, name: str) -> None:
        shutil.rmtree(self.root / name, ignore_errors=True)
        for path in self.root.glob(f"{name}.*"):
            path.unlink()

    def _next(self) -> int:
        self._number += 1
        return self._number
