"""A Parquet file that is not in the lake, as columns that can be asked about."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from lakebed.connectors.errors import ConfigError, SourceError
from lakebed.connectors.lake.annotations import file_leaves
from lakebed.connectors.lake.leaves import path_of
from lakebed.connectors.lake.read import ReadCounter, Split, open_parquet, read_split, source_errors
from lakebed.tasks.index.evidence import Evidence
from lakebed.tasks.index.kernel.postings import FULL, Int64, sketched_overlaps
from lakebed.tasks.lakegraph.kernel.samples import FloatRule, ValueSample, merge_samples, sample_values
from lakebed.tasks.search.config import SearchConfig
from lakebed.tasks.search.kernel.ranking import AskedColumn
from lakebed.tasks.search.lake_search import LakeSearch

VALUES_PER_COLUMN = 1 << 16
TOO_LARGE = "the file is too large to be asked about"


def ask_file(search: LakeSearch, path: Path, config: SearchConfig | None = None) -> tuple[list[AskedColumn], list[str]]:
    """The file's columns and their names.

    Raises:
        ConfigError: if there is no such file, or it is too large.
        SourceError: if it cannot be read, or has no column of values.
    """
    bounds = config or SearchConfig()
    if not path.is_file():
        raise ConfigError("there is no such file", value=path, expected="a Parquet file")
    if path.stat().st_size > bounds.max_file_bytes:
        raise too_large(path.stat().st_size, bounds)
    samples = read_samples(path)
    asked = {token: _asked(search, token, sample) for token, sample in samples.items() if len(sample.hashes)}
    if not asked:
        raise SourceError("the file has no column of values", value=path, expected="a Parquet file with rows")
    names = [".".join(str(step) for step in path_of(token)) for token in asked]
    return list(asked.values()), names


def too_large(n_bytes: int, bounds: SearchConfig) -> ConfigError:
    """The error for a file over the bound."""
    return ConfigError(
        TOO_LARGE,
        value=f"{n_bytes:,} bytes",
        expected=f"at most {bounds.max_file_bytes:,}",
        hint="put it into the lake and run lakebed run",
    )


def read_samples(path: Path) -> dict[str, ValueSample]:
    """The sample of each column's values, as the lake graph takes them.

    Raises:
        SourceError: if the file cannot be read.
    """
    rule, parts = FloatRule("exact"), dict[str, list[ValueSample]]()
    with source_errors(str(path)), pa.OSFile(str(path)) as source:
        file = open_parquet(source)
        tokens = [leaf.token for leaf in file_leaves(file)]
        split = Split(0, 0, path.name, "parquet", None, (), (), file.metadata.num_rows, source.size())
    for batch in read_split(str(path.parent), split, tokens, ReadCounter()):
        for token, cells in batch.items():
            parts.setdefault(token, []).append(sample_values(cells.values, VALUES_PER_COLUMN, rule))
    return {token: merge_samples(found, VALUES_PER_COLUMN) for token, found in parts.items()}


def _asked(search: LakeSearch, token: str, sample: ValueSample) -> AskedColumn:
    return AskedColumn(
        values=values_of(search.evidence, sample),
        n_distinct=sample.n_distinct,
        n_sampled=len(sample.hashes),
        threshold=sample.hashes[-1] if sample.is_cut else FULL,
        is_same_name=search.same_name(token),
        at_least=sketched_overlaps(search.evidence.sketches, sample.hashes, search.evidence.sizes.n_distinct),
    )


def values_of(evidence: Evidence, sample: ValueSample) -> Int64:
    """The numbers of the sample's values, of those that stand in two columns of the lake."""
    known = evidence.values["hash"].to_numpy()
    if not len(known):
        return np.empty(0, np.int64)
    place = np.minimum(np.searchsorted(known, sample.hashes), len(known) - 1)
    found: Int64 = place[known[place] == sample.hashes]
    return found
