"""Reads a table as the stages of a run do, split by split."""

import json
from pathlib import Path
from typing import Any

from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.iceberg.table import IcebergFacts, read_table
from lakebed.connectors.lake.leaves import path_of
from lakebed.connectors.lake.listing import list_lake
from lakebed.connectors.lake.read import read_split


def facts_of(root: Path, name: str) -> IcebergFacts:
    """What the metadata of a table says."""
    config = LakeConfig(root=str(root))
    listing = list_lake(config)
    (source,) = [table for table in discover(listing, config).tables if table.name == name]
    assert source.format == "iceberg"
    return read_table(str(root), source, {entry.path: entry for entry in listing.files})


def rows_of(root: Path, name: str, *, by_groups: bool = False) -> list[dict[str, Any]]:
    """The rows of a table by column path, sorted by their text; each row group by itself if wanted."""
    facts, found = facts_of(root, name), list[dict[str, Any]]()
    tokens = [leaf.token for leaf in facts.leaves]
    names = [".".join(map(str, path_of(token))) for token in tokens]
    for file in facts.files:
        groups = [(n,) for n in range(len(file.row_group_rows))] if by_groups else [None]
        n_before = len(found)
        for group in groups:
            reading = None if facts.is_plain else file.casts["iceberg"]
            split = Split(0, 0, file.path, "parquet", group, (), (), file.n_rows, file.size, iceberg=reading)
            for batch in read_split(str(root), split, tokens, ReadCounter()):
                columns = [batch[token].values.to_pylist() for token in tokens]
                found += [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        assert len(found) - n_before == file.n_rows
    return sorted(found, key=lambda row: json.dumps(row, default=str, sort_keys=True))
