"""How a lake is read."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.lake.databases import (
    SPARK_FORMATS,
    CatalogConfig,
    DatabaseConfig,
    IcebergConfig,
    SourceName,
    UnityConfig,
)
from lakebed.connectors.lake.globs import matches_any

ColumnType = Literal["string", "int64", "float64", "bool", "date", "timestamp"]


_RAGGED = (
    "What becomes of CSV rows with more or fewer cells than the first: refuse the table, or leave them out and count."
)


_LATER_DEFAULTS: tuple[tuple[str, object], ...] = (("ragged", "refuse"), ("renderings", "all"), ("files", {}))


def _usable_delimiter(given: str) -> str:
    one = given.replace("\\t", "\t")
    if given != "auto" and (len(one) != 1 or not one.isascii() or one in '\r\n"'):
        raise ValueError(f"{given!r} should be `auto`, or one ASCII character that is no quote and no line end")
    return given


Delimiter = Annotated[str, AfterValidator(_usable_delimiter)]


class TextOverride(FrozenConfig):
    """Settings of text for some of a lake's files, in place of those for all."""

    delimiter: Delimiter | None = Field(None, description="As `lake.text.delimiter`.")
    header: Literal["auto", "yes", "no"] | None = Field(None, description="As `lake.text.header`.")
    encoding: str | None = Field(None, description="As `lake.text.encoding`.")
    null_values: tuple[str, ...] | None = Field(None, description="As `lake.text.null_values`.")
    ragged: Literal["refuse", "skip"] | None = Field(None, description="As `lake.text.ragged`.")


class TextConfig(FrozenConfig):
    """CSV and JSON."""

    delimiter: Delimiter = Field(
        "auto", description="Field separator of CSV files, one character, or `auto` to sniff it."
    )
    header: Literal["auto", "yes", "no"] = Field("auto", description="Whether the first CSV row names the columns.")
    encoding: str = Field("utf-8", description="Character encoding of CSV and JSON files (a byte order mark wins).")
    null_values: tuple[str, ...] = Field(("",), description="Unquoted CSV cells that stand for null.")
    types: dict[str, dict[str, ColumnType]] = Field(
        default_factory=dict,
        description="Column types that override inference: table glob → column name → type.",
    )
    ragged: Literal["refuse", "skip"] = Field("refuse", description=_RAGGED)
    renderings: Literal["all", "canonical"] = Field(
        "all",
        description="By which renderings a column of text gets a type: any that is known, or one for each type "
        "(so it is, too, with `containment.strict_types`).",
    )
    files: dict[str, TextOverride] = Field(
        default_factory=dict, description="The same settings for some files: glob of paths → settings; the last wins."
    )

    @model_serializer(mode="wrap")
    def _without_newer_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Settings that came later are no part of a lake's identity unless they are set."""
        found: dict[str, Any] = handler(self)
        return {key: value for key, value in found.items() if (key, value) not in _LATER_DEFAULTS}

    def of(self, path: str) -> Self:
        """The settings for one file, by its path below the root."""
        chosen = [one for glob, one in self.files.items() if matches_any(path, [glob])]
        more = {key: value for one in chosen for key, value in one.model_dump(exclude_none=True).items()}
        return self.model_copy(update=more | {"files": {}}) if chosen else self


class LakeConfig(FrozenConfig):
    """Where the lake lies and what of it counts as a table."""

    root: str = Field(
        "", description="Folder or object-store prefix (`s3://bucket/prefix`) of the tables; empty: sources alone."
    )
    include: tuple[str, ...] = Field((), description="Globs of paths relative to the root; empty means everything.")
    exclude: tuple[str, ...] = Field((), description="Globs of paths relative to the root that are left out.")
    group: tuple[str, ...] = Field((), description="Globs of folders whose files together form one table.")
    split: tuple[str, ...] = Field((), description="Globs of folders whose files are each a table by itself.")
    text: TextConfig = Field(default_factory=TextConfig, description="How CSV and JSON are read.")
    strict: bool = Field(False, description="Whether a table that cannot be read ends the run.")
    paranoid: bool = Field(
        False, description="Whether every file is identified by the SHA-256 of its bytes, not by size and time."
    )
    ignore_column_case: bool = Field(False, description="Whether column names that differ only in case are the same.")
    databases: dict[SourceName, DatabaseConfig] = Field(
        default_factory=dict, description="Databases whose tables belong to the lake: name → settings."
    )
    catalogs: dict[SourceName, CatalogConfig] = Field(
        default_factory=dict, description="Databases of the Spark catalog that belong to the lake: name → settings."
    )

    iceberg: dict[SourceName, IcebergConfig] = Field(
        default_factory=dict, description="Catalogs of Iceberg tables that belong to the lake: name → settings."
    )
    unity: dict[SourceName, UnityConfig] = Field(
        default_factory=dict, description="Unity Catalogs whose tables belong to the lake: name → settings."
    )
    unmanaged: tuple[str, ...] = Field(
        (), description="Globs of Iceberg tables that no catalog keeps, though their metadata is named as by one."
    )

    @model_validator(mode="after")
    def _has_tables_somewhere(self) -> Self:
        """A lake is a folder, or databases, or both; no two sources share a name."""
        if not (self.root or self.has_sources or self.iceberg or self.unity):
            raise ValueError("root should name the folder that holds the tables")
        names = [*self.databases, *self.catalogs, *self.iceberg, *self.unity]
        if shared := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two databases or catalogs are called {shared[0]}")
        return self

    @model_serializer(mode="wrap")
    def _without_newer_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As of `TextConfig`."""
        found: dict[str, Any] = handler(self)
        return {key: value for key, value in found.items() if key not in {"iceberg", "unmanaged", "unity"} or value}

    @property
    def has_sources(self) -> bool:
        """Whether tables lie elsewhere than in the folder."""
        return bool(self.databases or self.catalogs)

    @property
    def needs_spark(self) -> bool:
        """Whether there are sources that only Spark reads."""
        return bool(self.catalogs) or any(one.format in SPARK_FORMATS for one in self.databases.values())
