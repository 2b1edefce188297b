"""Tables of Hudi in a lake's folder: their newest snapshot, read by hudi-rs, merged of base files and logs.

hudi-rs works with threads of its own, so every look at a table is in a process apart, which a damaged one may cost.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import SourceError, first_line
from lakebed.connectors.extras import extra_hint
from lakebed.connectors.lake.batches import batch_rows
from lakebed.connectors.lake.databases import HUDI, state_token
from lakebed.connectors.lake.files import place_uri
from lakebed.connectors.lake.isolated import alive, isolated
from lakebed.connectors.lake.model import FileEntry, TableSource, Unreadable
from lakebed.connectors.object_client import has_client
from lakebed.connectors.uris import is_object_store

# Hudi's own columns, of which it makes the others' versions
_OWN = "_hoodie_"


@dataclass(frozen=True)
class HudiRead:
    """A table as its newest snapshot has it, without Hudi's own columns."""

    name: str
    schema: pa.Schema
    root: str
    folder: str
    token: str
    notes: tuple[str, ...] = ()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows, none before all are known to be of the snapshot that was listed.

        Raises:
            SourceError: if it cannot be read to its end, or was written to meanwhile.
        """
        with TemporaryDirectory(prefix="lakebed-hudi-") as folder:
            copy = Path(folder, "copy.parquet")
            (why,) = _apart(self.root, partial(_copied, self.root, str(copy), self.schema), [self.folder])
            if why:
                raise SourceError("a table of Hudi cannot be read", value=f"{self.name}: {why}")
            self._require_same()
            with pq.ParquetFile(copy) as opened:
                yield from opened.iter_batches(batch_rows(range(len(self.schema))))

    def _require_same(self) -> None:
        (now,) = _apart(self.root, partial(_looked, self.root), [self.folder])
        if isinstance(now, str) or now[1] != self.token:
            raise SourceError(
                "a table of Hudi cannot be read",
                value=f"{self.name}: it was written to after it was listed",
                expected="a table that nobody writes to for that long",
                hint="run the same command again",
            )


@dataclass(frozen=True)
class HudiTables:
    """The tables of a lake's folder: how each is read, by its name, and what cannot be."""

    reads: dict[str, HudiRead] = field(default_factory=dict)
    sources: tuple[TableSource, ...] = ()
    problems: tuple[Unreadable, ...] = ()


def hudi_tables(root: str, listed: Sequence[Unreadable], files: Sequence[str]) -> HudiTables:
    """Looks into tables of Hudi.

    Args:
        root: of the lake.
        listed: the folders, as what is not read.
        files: paths of the lake; a table that is called as one of them is without its ending is called otherwise.
    """
    found = HudiTables()
    sources, problems = [], []
    looked = _apart(root, partial(_looked, root), [one.name for one in listed])
    for one, facts in zip(listed, looked, strict=True):
        if isinstance(facts, str):
            hint = extra_hint("hudi") if facts == _MISSING else one.hint
            problems.append(Unreadable(one.name, HUDI, f"{one.reason}: {facts}", hint))
            continue
        schema, token = facts
        has_twin = any(path.startswith(f"{one.name}.") for path in files)
        name = f"{one.name}/.{HUDI}" if has_twin else one.name
        found.reads[name] = HudiRead(name, schema, root, one.name, token)
        sources.append(TableSource(name, HUDI, (FileEntry(name, 0, 0, etag=token),), one.name))
    return HudiTables(found.reads, tuple(sources), tuple(problems))


_MISSING = "the package hudi is not installed"


def _apart(root: str, work: Any, folders: Sequence[str]) -> list[Any]:
    """What `work` makes of each folder, in a process apart; the reason where that dies."""
    is_forked = not (is_object_store(root) and has_client())
    return list(isolated(work, folders, lambda _, why: why, is_forked=is_forked))


def _looked(root: str, folder: str) -> tuple[pa.Schema, str] | str:
    """The schema of a table, and what stands for its snapshot; or why there is none."""
    try:
        from hudi import HudiTable

        table = HudiTable(place_uri(root, folder))
        schema = table.get_schema()
        slices = table.get_file_slices()
        # files of Hudi never change: their names and sizes tell the snapshot
        files = [
            [one.partition_path, one.base_file_name, one.base_file_size, one.log_file_names, one.log_file_sizes]
            for one in slices
        ]
        token = state_token([sorted(map(json.dumps, files)), str(schema)])
    except ModuleNotFoundError:
        return _MISSING
    except Exception as error:
        # whatever a library makes of foreign bytes
        return first_line(error)[:200]
    return (schema, token) if len(schema) else "it has no columns"


def _copied(root: str, out_path: str, schema: pa.Schema, folder: str) -> str:
    """Writes a table's snapshot as Parquet; empty, or why not."""
    try:
        from hudi import HudiTable

        with pq.ParquetWriter(out_path, schema) as writer:
            for batch in HudiTable(place_uri(root, folder)).read_stream():
                alive()
                made = pa.table(batch)
                mine = [name for name in made.column_names if not name.startswith(_OWN)]
                writer.write_table(made.select(mine).select(schema.names).cast(schema))
    except Exception as error:
        return first_line(error)[:200]
    return ""
