"""What a rebuild recipe is: plain values, frozen, the same through JSON and back.

A recipe says how the rows, the columns and the files of a child are made again from its parents, which versions of them
it holds for, and what the result must be. The child's rows are the union of the selections of its parts, in the parts'
order; one part is the usual case.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.paths import InsidePath
from lakebed.tasks.retention.recipes.traits import Traits

RECIPE_VERSION = 2

RefusalCode = Literal[
    "unreadable", "changed", "unsupported_type", "not_contained", "differs_strictly", "positions_too_large",
    "too_large", "cannot_be_written",
]  # fmt: skip


class FileRef(FrozenConfig):
    """A data file of a table; its rows follow those of the files before it."""

    path: InsidePath = Field(description="Path relative to the lake root.")
    size: int = Field(ge=0, description="Size of the file, in bytes.")
    n_rows: int = Field(ge=0, description="Live rows of the file.")
    sha256: str = Field("", description="Hex SHA-256 of the bytes; empty where the Delta version stands for it.")
    partition_values: tuple[tuple[str, str | None], ...] = Field(
        (), description="Token and text of each constant column."
    )
    casts: tuple[tuple[str, str], ...] = Field((), description="Token and cast of each text column.")


class LeafRef(FrozenConfig):
    """A leaf column, in the order of the schema."""

    token: str = Field(description="JSON text of the path that leads to the leaf.")
    type: str = Field(description="Arrow type of the values, for people.")
    is_nullable: bool = Field(description="Whether the leaf, or a struct around it, may be null.")
    is_partition: bool = Field(False, description="Whether the value stands in the path.")


class TextDialect(FrozenConfig):
    """How a table of text is written."""

    delimiter: str = Field("", description="Field separator of CSV; empty for JSON lines.")
    has_header: bool = Field(False, description="Whether the first row of each CSV file names the columns.")
    names: tuple[str, ...] = Field((), description="Column names of CSV as the header has them.")
    encoding: str = Field("utf-8", description="Character encoding.")
    has_byte_order_mark: bool = Field(False, description="Whether files begin with a byte order mark.")
    line_end: str = Field("\n", description="End of a line.")
    null_values: tuple[str, ...] = Field(("",), description="Unquoted CSV cells that stand for null.")
    omits_nulls: bool = Field(False, description="Whether JSON objects leave out the keys of nulls.")
    forms: tuple[tuple[str, str], ...] = Field(
        (), description="Token and form of timestamps (a pattern), or rendering, of columns."
    )
    raw: tuple[str, ...] = Field((), description="Tokens of JSON columns whose text is JSON itself, such as numbers.")
    quotes_header: bool = Field(False, description="Whether all names of CSV stand in quotes.")
    quoted: tuple[int, ...] = Field((), description="Places of the CSV columns of which all cells but nulls do.")
    n_quotes: int = Field(-1, description="Quotation marks of all CSV files; -1 where they were not counted.")
    differs: tuple[str, ...] = Field((), description="Names of the facts above that are not the same in all files.")


class TableRef(FrozenConfig):
    """One version of a table: where it lies, how it is read, what its columns are."""

    name: InsidePath = Field(description="Name of the table in the inventory.")
    path: InsidePath = Field(description="File or folder, relative to the lake root; `.` is the root.")
    format: Literal["parquet", "delta", "iceberg", "csv", "json"] = Field(description="How the files are written.")
    read_via: Literal["arrow", "spark", "text", "iceberg"] = Field(description="Who reads the rows.")
    delta_version: int | None = Field(None, description="Version of a Delta table.")
    files: tuple[FileRef, ...] = Field(description="The data files, by path.")
    schema_ipc: str = Field(
        "", description="The whole Arrow schema, partition columns included, as base64 of its IPC form."
    )
    leaves: tuple[LeafRef, ...] = Field(description="The leaf columns.")
    partition_columns: tuple[str, ...] = Field((), description="Tokens of the partition columns, in path order.")
    dialect: TextDialect | None = Field(None, description="Of a table of text.")

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        return sum(file.n_rows for file in self.files)

    @property
    def n_bytes(self) -> int:
        """Bytes of its data files."""
        return sum(file.size for file in self.files)

    @property
    def is_one_file(self) -> bool:
        """Whether the table is one plain file, whose rows have an order."""
        return not self.is_folder and len(self.files) == 1

    @property
    def is_folder(self) -> bool:
        """Whether a log or metadata beside its data files makes them a table."""
        return self.format in ("delta", "iceberg")

    @property
    def has_order(self) -> bool:
        """Whether the place of a row counts: in a plain file, and which file of an Iceberg table it is in."""
        return self.is_one_file or self.format == "iceberg"


class Constant(FrozenConfig):
    """A constant of a condition, exactly."""

    type: str = Field(description="Text of the flat Arrow type.")
    value: str = Field(description="The value: text of integers, of floats (shortest), of decimals; base64 of bytes.")


class Equals(FrozenConfig):
    """The column has this value (None: is null). Used for partition columns."""

    kind: Literal["equals"] = "equals"
    token: str = Field(description="Column of the parent.")
    value: Constant | None = Field(description="The value; None is null.")


class Range(FrozenConfig):
    """low ≤ column ≤ high; without ends: is not null. NaN is in no range."""

    kind: Literal["range"] = "range"
    token: str = Field(description="Column of the parent.")
    low: Constant | None = Field(None, description="Least value.")
    high: Constant | None = Field(None, description="Greatest value.")
    or_null: bool = Field(False, description="Whether null cells fit too.")


class In(FrozenConfig):
    """The column has one of these values; none and `or_null`: is null."""

    kind: Literal["in"] = "in"
    token: str = Field(description="Column of the parent.")
    values: tuple[Constant, ...] = Field(description="The values, ascending.")
    or_null: bool = Field(False, description="Whether null cells fit too.")


Term = Annotated[Equals | Range | In, Field(discriminator="kind")]


class Where(FrozenConfig):
    """Rows for which every term holds; no term: all rows."""

    kind: Literal["where"] = "where"
    shape: Literal["all", "partition", "range", "in", "conjunction"] = Field(
        description="What was found, in §6's order."
    )
    terms: tuple[Term, ...] = Field((), description="The conditions.")


class StoredRows(FrozenConfig):
    """Row numbers kept beside the recipe, as a Parquet file with one int64 column `row`; a few stand in it."""

    path: InsidePath = Field(
        "", description="Path relative to the folder of recipes; empty where the numbers stand here."
    )
    n_rows: int = Field(ge=0, description="How many row numbers.")
    n_bytes: int = Field(0, ge=0, description="Size of the file, in bytes.")
    sha256: str = Field("", description="Hex SHA-256 of the file.")
    inline: tuple[int, ...] = Field((), description="The numbers, where they are few.")


class Positions(FrozenConfig):
    """The parent's rows with these numbers (files by path, from 0), in this order, as often as they stand there."""

    kind: Literal["positions"] = "positions"
    rows: StoredRows = Field(description="Row numbers of the parent, one per row selected.")


Selector = Annotated[Where | Positions, Field(discriminator="kind")]


class KeptFile(FrozenConfig):
    """A file of an Iceberg table's metadata."""

    path: InsidePath = Field(description="Path relative to the lake root.")
    size: int = Field(ge=0, description="Size of the file, in bytes.")
    sha256: str = Field(description="Hex SHA-256 of the bytes.")


class StoredMetadata(FrozenConfig):
    """The metadata of an Iceberg table kept beside the recipe, as a Parquet file of paths and bytes."""

    path: InsidePath = Field(description="Path relative to the folder of recipes.")
    n_bytes: int = Field(ge=0, description="Size of the file, in bytes.")
    sha256: str = Field(description="Hex SHA-256 of the file.")
    files: tuple[KeptFile, ...] = Field(description="The files in it, by path.")


class ColumnMap(FrozenConfig):
    """A leaf of the child comes from this leaf of the parent."""

    child: str = Field(description="Token in the child.")
    parent: str = Field(description="Token in the parent.")
    cast: str = Field("", description="Arrow type of the child's leaf where the parent's differs; empty: as it is.")


class Part(FrozenConfig):
    """One parent and what is taken of it.

    `multiplicity`: `as_is` every selected row once; `distinct` each distinct row (on the child's columns, strictly)
    once, the first stays; `stored` the counts lie in the positions, which repeat or skip equal rows.
    """

    parent: TableRef = Field(description="The parent, pinned to its version or its files' digests.")
    columns: tuple[ColumnMap, ...] = Field(description="One for each leaf of the child, in the child's order.")
    selector: Selector = Field(description="Which rows.")
    multiplicity: Literal["as_is", "distinct", "stored"] = Field("as_is", description="How often each row.")


class RowOrder(FrozenConfig):
    """Whether the rebuilt rows stand in the order of the original (files by path).

    `kept` by itself; `restored` through `rows` (numbers of the rows selected, in the child's order); `lost` for a
    reason.
    """

    state: Literal["kept", "restored", "lost"] = Field(description="What becomes of the order.")
    reason: str = Field("", description="Why it is lost, for people.")
    rows: StoredRows | None = Field(None, description="The permutation that restores it.")


class StrictDigest(FrozenConfig):
    """What a table's content is, to the bit: equal digests, equal tables."""

    encoding: str = Field(description="Id of the row encoding.")
    key_id: str = Field(description="What may be told of the hash key: 16 hex digits of its SHA-256.")
    n_rows: int = Field(ge=0, description="Number of rows.")
    columns: str = Field(description="Hex SHA-256 of names, types, nullability and order of the columns.")
    rows: str = Field(description="Hex multiset hash of the rows: -0.0 ≠ 0.0, int ≠ float, strings by their bytes.")
    sequence: str = Field("", description="Hex SHA-256 of the row hashes in order; empty where there is no order.")

    def is_same_table(self, other: StrictDigest) -> bool:
        """Whether columns and rows are equal; the order of rows may differ."""
        ignored = {"sequence": ""}
        return self.model_copy(update=ignored) == other.model_copy(update=ignored)


class Recipe(FrozenConfig):
    """How a table is made again from others."""

    version: int = Field(RECIPE_VERSION, description="Version of this model.")
    child: TableRef = Field(description="The table that is rebuilt, as it was.")
    parts: tuple[Part, ...] = Field(min_length=1, description="Where its rows come from.")
    multiplicity: Literal["as_is", "distinct"] = Field("as_is", description="Whether rows of several parts count once.")
    order: RowOrder = Field(description="Order of the rows.")
    digest: StrictDigest = Field(description="Of the child; the executed rebuild had the same.")
    traits: Traits | None = Field(
        None, description="Of the child; the rebuild had the same. None where an older version of lakebed made it."
    )
    metadata: StoredMetadata | None = Field(None, description="Of a child that is an Iceberg table.")

    @model_serializer(mode="wrap")
    def _without_newer_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Recipes of other tables stay what they were, and so do the ids of plans."""
        found: dict[str, Any] = handler(self)
        return {key: value for key, value in found.items() if (key, value) != ("metadata", None)}

    @property
    def selector_shape(self) -> str:
        """`all`, `partition`, `range`, `in`, `conjunction`, `positions`, or `union` for several parts."""
        if len(self.parts) > 1:
            return "union"
        selector = self.parts[0].selector
        return "positions" if isinstance(selector, Positions) else selector.shape

    @property
    def stored(self) -> tuple[StoredRows | StoredMetadata, ...]:
        """The files of row numbers, and of metadata, that must be kept with the recipe."""
        chosen = [part.selector.rows for part in self.parts if isinstance(part.selector, Positions)]
        return tuple(one for one in (*chosen, self.order.rows, self.metadata) if one is not None and one.path)

    @property
    def stored_bytes(self) -> int:
        """Bytes that the recipe needs beside itself."""
        return sum(rows.n_bytes for rows in self.stored)


class Refusal(FrozenConfig):
    """Why a pair has no recipe."""

    code: RefusalCode = Field(description="Kind of the reason.")
    reason: str = Field(description="For people.")


class Outcome(FrozenConfig):
    """What came of one pair: a verified recipe, or the reason why there is none."""

    child: str = Field(description="Name of the child.")
    parents: tuple[str, ...] = Field(description="Names of the parents.")
    recipe: Recipe | None = Field(None, description="Executed and found equal.")
    refusal: Refusal | None = Field(None, description="Why there is none.")
    bytes_read: int = Field(0, ge=0, description="Bytes of data read for it, in bytes.")
    rebuild_bytes_read: int = Field(0, ge=0, description="Of these, what the executed rebuild read, in bytes.")
    rebuild_s: float = Field(0.0, ge=0.0, description="Seconds that the executed rebuild took.")
    seconds: float = Field(0.0, ge=0.0, description="Seconds of the whole pair.")
