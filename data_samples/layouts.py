"""The ways a sample table can lie on disk. File contents depend on the data alone (Delta file names do not)."""

import gzip
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from deltalake import write_deltalake

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class ParquetFile:
    """One Parquet file; statistics as pyarrow writes them (never cut), or cut at 64 bytes by delta-rs."""

    format: ClassVar[str] = "parquet"
    row_group_rows: int | None = None
    is_cutting_bounds: bool = False
    ending: str = ".parquet"

    def write(self, root: Path, name: str, data: pa.Table) -> str:
        """Write the file."""
        target = _target(root, name + self.ending)
        if self.is_cutting_bounds:
            _write_with_cut_bounds(target, data)
        else:
            pq.write_table(data, target, row_group_size=self.row_group_rows)
        return name + self.ending


@dataclass(frozen=True)
class ParquetParts:
    """A folder of `part-*` files as Spark leaves it, with its marker files."""

    format: ClassVar[str] = "parquet"
    n_parts: int = 4

    def write(self, root: Path, name: str, data: pa.Table) -> str:
        """Write the folder."""
        n_part_rows = -(-data.num_rows // self.n_parts)
        for part in range(self.n_parts):
            target = _target(root, f"{name}/part-{part:05d}.snappy.parquet")
            pq.write_table(data.slice(part * n_part_rows, n_part_rows), target)
            (target.parent / f".{target.name}.crc").write_bytes(b"crc\x00")
        (root / name / "_SUCCESS").touch()
        return name


@dataclass(frozen=True)
class HivePartitions:
    """Folders `column=value/` of Parquet files; the partition columns lie in the paths only."""

    format: ClassVar[str] = "parquet"
    columns: tuple[str, ...]

    def write(self, root: Path, name: str, data: pa.Table) -> str:
        """Write the folders."""
        keys = data.select(list(self.columns)).group_by(list(self.columns)).aggregate([]).to_pylist()
        for key in sorted(keys, key=str):
            folder = "/".join(f"{_hive_text(column)}={_hive_text(value)}" for column, value in key.items())
            rows = data.filter(_equals(data, key)).drop_columns(list(self.columns))
            pq.write_table(rows, _target(root, f"{name}/{folder}/part-00000.parquet"))
        return name


@dataclass(frozen=True)
class DeltaTable:
    """A Delta table written by delta-rs, in one commit or several appends.

    Attributes:
        n_commits: appends that the rows are spread over.
        partition_by: partition columns.
        before: rows of a version that was overwritten; its files still lie in the folder.
    """

    format: ClassVar[str] = "delta"
    n_commits: int = 1
    partition_by: tuple[str, ...] = ()
    before: pa.Table | None = None

    def write(self, root: Path, name: str, data: pa.Table) -> str:
        """Write the table."""
        n_commit_rows = max(-(-data.num_rows // self.n_commits), 1)
        partition_by = list(self.partition_by) or None
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        parts = [data.slice(start, n_commit_rows) for start in range(0, max(data.num_rows, 1), n_commit_rows)]
        if self.before is not None:
            write_deltalake(root / name, self.before, partition_by=partition_by)
            write_deltalake(root / name, parts.pop(0), mode="overwrite", partition_by=partition_by)
        for rows in parts:
            write_deltalake(root / name, rows, mode="append", partition_by=partition_by)
        return name


@dataclass(frozen=True)
class CsvFile:
    """A CSV file: strings quoted, nulls empty and unquoted."""

    format: ClassVar[str] = "csv"
    delimiter: str = ","
    has_header: bool = True
    ending: str = ".csv"

    def write(self, root: Path, name: str, data: pa.Table) -> str:
        """Write the file, gzipped where the ending says so."""
        sink = pa.BufferOutputStream()
        options = pa_csv.WriteOptions(include_header=self.has_header, delimiter=self.delimiter, quoting_style="needed")
        pa_csv.write_csv(data, sink, options)
        _write_bytes(_target(root, name + self.ending), sink.getvalue().to_pybytes())
        return name + self.ending


@dataclass(frozen=True)
class TextFile:
    """A file whose text is given; for renderings that no writer makes by itself."""

    format: str
    text: str
    ending: str
    encoding: str = "utf-8"

    def write(self, root: Path, name: str, data: pa.Table) -> str:
        """Write the text; `data` only says what a reader finds in it."""
        del data
        _write_bytes(_target(root, name + self.ending), self.text.encode(self.encoding))
        return name + self.ending


@dataclass(frozen=True)
class JsonLines:
    """One JSON object a line; keys of null cells are left out where asked."""

    format: ClassVar[str] = "json"
    ending: str = ".jsonl"
    is_omitting_nulls: bool = False

    def write(self, root: Path, name: str, data: pa.Table) -> str:
        """Write the file, gzipped where the ending says so."""
        lines = [json.dumps(self._kept(row), default=_json_text, ensure_ascii=False) for row in data.to_pylist()]
        _write_bytes(_target(root, name + self.ending), "".join(f"{line}\n" for line in lines).encode())
        return name + self.ending

    def _kept(self, row: dict[str, object]) -> dict[str, object]:
        return {key: value for key, value in row.items() if not (self.is_omitting_nulls and value is None)}


def _write_with_cut_bounds(target: Path, data: pa.Table) -> None:
    # arrow-rs, under delta-rs, cuts string bounds at 64 bytes and increments a cut max; pyarrow never cuts
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".cut-") as folder:
        write_deltalake(folder, data)
        (written,) = Path(folder).glob("*.parquet")
        shutil.move(written, target)


def _target(root: Path, relative: str) -> Path:
    target = root / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _write_bytes(target: Path, content: bytes) -> None:
    target.write_bytes(gzip.compress(content, mtime=0) if target.suffix == ".gz" else content)


def _hive_text(value: object) -> str:
    return HIVE_NULL if value is None else quote(str(value), safe="")


def _equals(data: pa.Table, key: Mapping[str, object]) -> pa.ChunkedArray:
    mask = pa.chunked_array([pa.array([True] * data.num_rows)])
    for column, value in key.items():
        same = pc.is_null(data[column]) if value is None else pc.equal(data[column], value)
        mask = pc.and_(mask, pc.fill_null(same, False))
    return mask


def _json_text(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"no JSON rendering of {type(value).__name__}")
