"""A file that is not in the lake, of any format that a lake may hold, as a table that can be asked about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import pyarrow as pa

from lakebed.connectors.errors import ConfigError, SourceError
from lakebed.connectors.lake.annotations import file_leaves
from lakebed.connectors.lake.batches import ReadCounter, Split, open_parquet, source_errors
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.discovery import format_of
from lakebed.connectors.lake.formats.staging import stage_only_table
from lakebed.connectors.lake.leaves import LeafArray
from lakebed.connectors.lake.model import FILE_FORMATS
from lakebed.connectors.lake.read import read_split
from lakebed.connectors.lake.text.model import TextScan
from lakebed.connectors.lake.text.resolve import resolve_types
from lakebed.connectors.lake.text.scan import scan_text_file
from lakebed.tasks.index.words import lake_terms
from lakebed.tasks.keys.kernel.columns import Lake
from lakebed.tasks.keys.lake import lake_of_columns, path_text
from lakebed.tasks.lakegraph.kernel.parts import ColumnSamples
from lakebed.tasks.lakegraph.kernel.samples import FloatRule
from lakebed.tasks.lakegraph.kernel.values import LakeColumn
from lakebed.tasks.lakegraph.value_table import value_table
from lakebed.tasks.search.config import SearchConfig
from lakebed.tasks.search.kernel.unions import AskedTable
from lakebed.tasks.search.lake_search import LakeSearch

VALUES_PER_COLUMN = 1 << 16
TOO_LARGE = "the file is too large to be asked about"
KINDS_READ = "a Parquet, CSV, JSON lines, Avro, ORC, Arrow, SQLite, DuckDB or Excel file"
_HEAD_BYTES = 4096
# as the lake is read; else a row that is cut does not keep the others from being asked about, nor do blanks in words
_READINGS = (TextConfig(), TextConfig(ragged="skip"), TextConfig(ragged="skip", delimiter=","))
Batches = Iterator[dict[str, LeafArray]]


def ask_file(search: LakeSearch, path: Path, config: SearchConfig | None = None) -> AskedTable:
    """The file as a table that is asked about.

    Raises:
        ConfigError: if there is no such file, or it is too large.
        SourceError: if it cannot be read, or has no column of values.
    """
    lake, values = file_lake(path, config)
    return search.unions.outside(lake, lake_terms(lake, values))


def file_lake(path: Path, config: SearchConfig | None = None) -> tuple[Lake, pa.Table]:
    """A lake of the file alone, and its `column_values`.

    Raises: as `ask_file`.
    """
    bounds = config or SearchConfig()
    if not path.is_file():
        raise ConfigError("there is no such file", value=path, expected=KINDS_READ)
    if path.stat().st_size > bounds.max_file_bytes:
        raise too_large(path.stat().st_size, bounds)
    columns = read_columns(path)
    if not any(column.folded.n_filled for column in columns):
        raise SourceError("the file has no column of values", value=path, expected=f"{KINDS_READ} with rows")
    values = value_table(columns)
    names = [path_text(str(column.path[0])) for column in columns]
    # in a folder of its own: where the file lies says nothing of the lake
    return lake_of_columns([f"//{path.stem}"], names, np.zeros(len(columns), np.int64), values), values


def too_large(n_bytes: int, bounds: SearchConfig) -> ConfigError:
    """The error for a file over the bound."""
    return ConfigError(
        TOO_LARGE,
        value=f"{n_bytes:,} bytes",
        expected=f"at most {bounds.max_file_bytes:,}",
        hint="put it into the lake and run lakebed run",
    )


def read_columns(path: Path) -> list[LakeColumn]:
    """The file's columns with their values, as the lake graph takes them; the path of each is its token.

    Raises:
        SourceError: if the file cannot be read.
    """
    samples: ColumnSamples[str] = ColumnSamples(VALUES_PER_COLUMN, FloatRule("exact"))
    n_rows = 0
    with _batches(path) as (tokens, batches):
        for batch in batches:
            n_rows += max((len(cells.values) for cells in batch.values()), default=0)
            for token, cells in batch.items():
                samples.add(token, cells.values)
    found = {token: (sample, folded) for token, sample, folded in samples.take()}
    return [
        LakeColumn(
            path.name,
            (token,),
            found[token][0],
            folded=found[token][1],
            position=place,
            n_rows=n_rows,
        )
        for place, token in enumerate(tokens)
        if token in found
    ]


@contextmanager
def _batches(path: Path) -> Iterator[tuple[list[str], Batches]]:
    """The columns' tokens, and the cells."""
    format_ = format_of(path.name) or _guessed(path)
    if format_ in FILE_FORMATS:
        with TemporaryDirectory(prefix="lakebed-asked-") as folder:
            copy = Path(folder) / "asked.parquet"
            stage_only_table(str(path.parent), path.name, format_, str(copy))
            with _batches(copy) as found:
                yield found
        return
    if format_ != "parquet":
        with TemporaryDirectory(prefix="lakebed-asked-") as folder, source_errors(str(path)):
            staged = Path(folder) / "asked.parquet"
            scan = _scan(path, "csv" if format_ == "csv" else "json", staged)
            columns = resolve_types([scan])
            casts = tuple((column.token, column.casts[0] or "") for column in columns)
            yield _read(folder, staged.name, "staged", [column.token for column in columns], casts)
        return
    with source_errors(str(path)), pa.OSFile(str(path)) as source:
        file = open_parquet(source)
        tokens = [leaf.token for leaf in file_leaves(file)]
    yield _read(str(path.parent), path.name, "parquet", tokens, ())


def _scan(path: Path, format_: Literal["csv", "json"], staged: Path) -> TextScan:
    """The text, staged as Parquet, by the first reading that gives a row.

    Raises:
        SourceError: that of the first reading, if none does.
    """
    first: SourceError | None = None
    for config in _READINGS:
        try:
            scan = scan_text_file(str(path.parent), path.name, format_, str(staged), config, {})
        except SourceError as error:
            first = first or error
            continue
        if scan.n_rows or first is None:
            return scan
    raise first or SourceError("the file cannot be read", value=path, expected=KINDS_READ)


def _read(
    root: str, name: str, format_: Literal["parquet", "staged"], tokens: list[str], casts: tuple[tuple[str, str], ...]
) -> tuple[list[str], Batches]:
    split = Split(0, 0, name, format_, None, (), casts, 0, (Path(root) / name).stat().st_size)
    return tokens, read_split(root, split, tokens, ReadCounter())


def _guessed(path: Path) -> str:
    """What a file without a known ending looks like."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"PAR1"):
        return "parquet"
    return "json" if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["} else "csv"
