"""The files of a child: which rows belong into which, and files that are filled batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.leaves import path_of
from lakebed.connectors.lake.parquet_output import ParquetOutput
from lakebed.connectors.lake.read import partition_scalar
from lakebed.connectors.lake.write import rows_where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lakebed.connectors.lake.footer import ParquetTraits
    from lakebed.connectors.storage import Storage
    from lakebed.tasks.retention.recipes.model import FileRef, Recipe, TableRef

MAX_OPEN = 64
"""Files that are open at once; systems allow 256 at least."""
MAX_HELD_ROWS = 1 << 20
"""Rows in memory that wait for their row group to be whole, of all open files."""


@dataclass(frozen=True)
class Partition:
    """Which rows lie in the files of one partition; all of them where there are no partition columns."""

    values: Mapping[str, pa.Scalar]
    columns: tuple[str, ...]

    def rows(self, table: pa.Table) -> pa.Table:
        """Its rows."""
        return rows_where(table, self.values) if self.values else table

    def in_file(self, rows: pa.Table, traits: ParquetTraits | None) -> pa.Table:
        """Rows in the columns of a file: without the partition columns, but for those that it holds, too.

        Raises:
            PlanError: if a column or a type of the file cannot hold the rows.
        """
        held = set(traits.arrow_schema.names) if traits else set()
        own = rows.drop_columns([name for name in self.columns if name not in held])
        return fitted(own, traits) if traits else own


def partitions_of(child: TableRef) -> Iterator[tuple[Partition, list[FileRef]]]:
    """The partitions of a table with their files, in order."""
    names = {token: str(path_of(token)[0]) for token in child.partition_columns}
    types = {leaf.token: leaf.type for leaf in child.leaves}
    pools: dict[tuple[object, ...], list[FileRef]] = {}
    for file in child.files:
        values = tuple(partition_scalar(text, types[token]) for token, text in file.partition_values)
        pools.setdefault(values, []).append(file)
    for found, files in pools.items():
        tokens = [token for token, _ in files[0].partition_values]
        wanted = {names[token]: value for token, value in zip(tokens, found, strict=True)}
        yield Partition(wanted, tuple(names.values())), files


def fitted(rows: pa.Table, traits: ParquetTraits) -> pa.Table:
    """Rows in the columns of their file, which need not be all that its table has.

    Raises:
        PlanError: if a column or a type of the file cannot hold the rows.
    """
    schema = traits.arrow_schema
    lacking = [name for name in rows.schema.names if name not in schema.names]
    if any(rows[name].null_count < rows.num_rows for name in lacking):
        raise PlanError("rows come into a file that lacks their columns", value=lacking[0], expected="the rows it had")
    try:
        own = rows.select(schema.names) if rows.schema.names != schema.names else rows
        own = own.replace_schema_metadata(schema.metadata)
        return own if own.schema.equals(schema) else own.cast(schema)
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise PlanError("the rows do not fit the columns of a file", value=str(error).splitlines()[0][:200]) from error


def require_like_files(recipe: Recipe) -> None:
    """Refuses a child whose rows may come into other files of their partition, where these have other columns or types.

    Rows that come batch by batch are not written in a trial, so none of them is seen not to fit.

    Raises:
        PlanError: naming the file.
    """
    if recipe.traits is None or not recipe.traits.footers or recipe.order.state != "lost":
        return
    schemas = [footer.arrow_schema for footer in recipe.traits.footers]
    numbers = {file.path: recipe.traits.footer_of[place] for place, file in enumerate(recipe.child.files)}
    for _, files in partitions_of(recipe.child):
        first = schemas[numbers[files[0].path]]
        other = next((file for file in files if not schemas[numbers[file.path]].equals(first)), None)
        if other is not None:
            raise PlanError(
                "the rows may not fit the columns of a file: their order is lost, and its files differ",
                value=other.path,
                expected=f"the columns and types of {files[0].path}",
            )


def write_streamed_files(recipe: Recipe, read: Callable[[], Iterator[pa.Table]], storage: Storage) -> None:
    """Writes the Parquet files of the child, each with as many rows as it had, in order, of its partition.

    Files of at most `MAX_OPEN` partitions are open at once: where the rows of more of them alternate, all rows are read
    again for the next ones.

    Args:
        recipe: of the child.
        read: gives all of its rows, batch by batch, each time in the same order.
        storage: that gets the files.

    Raises:
        PlanError: if the rows do not fill them, or cannot be written.
    """
    numbers = {file.path: number for number, file in enumerate(recipe.child.files)}
    footers = {path: recipe.traits.footer(number) if recipe.traits else None for path, number in numbers.items()}
    pools = [(partition, _Pool(partition, files, footers, storage)) for partition, files in partitions_of(recipe.child)]
    try:
        left = pools
        while left:
            left = _fill(left, read())
        if not all(pool.is_full for _, pool in pools):
            raise unfilled(recipe.child)
    finally:
        for _, pool in pools:
            pool.abandon()


def _fill(pools: Sequence[_Place], batches: Iterator[pa.Table]) -> list[_Place]:
    """Writes the rows of a child's partitions; those are returned that come into none, since too many were open."""
    waiting: set[int] = set()
    begun: set[int] = set()
    for table in batches:
        for number, (partition, pool) in enumerate(pools):
            if number in waiting:
                continue
            rows = partition.rows(table)
            if rows.num_rows and number not in begun and len(begun) >= MAX_OPEN:
                waiting.add(number)
                continue
            pool.add(rows)
            (begun.add if pool.is_begun else begun.discard)(number)
        _relieve([pools[number][1] for number in begun])
    return [pools[number] for number in sorted(waiting)]


def _relieve(pools: Sequence[_Pool]) -> None:
    """Ends the largest row groups early where all together hold more than `MAX_HELD_ROWS`."""
    n_held = sum(pool.n_held for pool in pools)
    for pool in sorted(pools, key=lambda pool: -pool.n_held):
        if n_held < MAX_HELD_ROWS:
            return
        n_held -= pool.n_held
        pool.flush()


def unfilled(child: TableRef) -> PlanError:
    """The error of rows that are fewer or more than the files of a table had."""
    return PlanError("the rebuilt rows do not fill the table's files", value=child.name, hint="lakebed plan")


@dataclass
class _Pool:
    """Files that are filled one after the other; one is opened when its first rows come, and closed with its last."""

    partition: Partition
    files: Sequence[FileRef]
    footers: Mapping[str, ParquetTraits | None]
    storage: Storage
    n_rows: int = 0
    _number: int = 0
    _has_rows: bool = False
    _open: list[ParquetOutput] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether each file has its rows, and is closed."""
        return self._number == len(self.files)

    @property
    def is_begun(self) -> bool:
        """Whether rows have come, and further ones must."""
        return self._has_rows and not self.is_full

    def add(self, rows: pa.Table) -> None:
        """Writes further rows; also the files that have none are made when their turn has come."""
        while not self.is_full:
            file = self.files[self._number]
            taken = rows.slice(0, file.n_rows - self.n_rows)
            if not taken.num_rows and file.n_rows:
                return
            self._write(file, taken)
            if self.n_rows < file.n_rows:
                return
            self._open[0].close()
            self._open.clear()
            self._number, self.n_rows, rows = self._number + 1, 0, rows.slice(taken.num_rows)
        if rows.num_rows:
            raise PlanError("the rebuilt rows do not fill the table's files", value=self.files[-1].path)

    @property
    def n_held(self) -> int:
        """Rows in memory that the file has not got yet."""
        return sum(output.n_held for output in self._open)

    def flush(self) -> None:
        """Writes these rows."""
        for output in self._open:
            output.flush()

    def abandon(self) -> None:
        """Closes the file that is open, without its end: it is to be removed."""
        for output in self._open:
            output.abandon()
        self._open.clear()

    def _write(self, file: FileRef, rows: pa.Table) -> None:
        footer = self.footers[file.path]
        own = self.partition.in_file(rows, footer)
        if not self._open:
            self._open.append(ParquetOutput(self.storage.open_output(file.path), own.schema, footer))
        self._open[0].add(own)
        self._has_rows |= own.num_rows > 0
        self.n_rows += rows.num_rows


_Place = tuple[Partition, _Pool]
