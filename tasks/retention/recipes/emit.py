"""Recipes for people: Spark SQL, a PySpark snippet, a view over Delta parents.

They give the same rows as `rebuild`; the order of rows is not part of SQL. What Spark cannot say (a second column of
one name, row numbers of anything but Parquet) is said in a comment instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.leaves import path_of, schema_leaves, storage_type
from lakebed.connectors.storage import join_uri
from lakebed.tasks.retention.recipes.model import Positions
from lakebed.tasks.retention.recipes.shapes import schema_from_text
from lakebed.tasks.retention.recipes.sql_text import (
    column,
    condition,
    identifier,
    spark_path,
    spark_uri,
    sql_type,
    text_literal,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.model import Part, Recipe, TableRef

_POSITION = "`lakebed position`"
_ROW = "`lakebed row`"
# bytes of UTF-8 behind percent signs: Spark takes each for a character of its own
_FOREIGN_ESCAPE = re.compile("%[89A-Fa-f][0-9A-Fa-f]")


@dataclass(frozen=True)
class _Source:
    """A parent as Spark reads it: SQL that names it, and the view that must be made before; options for PySpark."""

    relation: str
    view: str
    reader: str


def sql_statements(context: RecipeContext, recipe: Recipe) -> tuple[str, ...]:
    """The statements that rebuild the child, the last one a SELECT.

    Raises:
        SourceError: if Spark SQL cannot say it.
    """
    sources = [_source(context, part.parent, f"lakebed_parent_{number}") for number, part in enumerate(recipe.parts, 1)]
    return (*(source.view for source in sources if source.view), _query(context, recipe, [s.relation for s in sources]))


def to_sql(context: RecipeContext, recipe: Recipe) -> str:
    """The recipe as Spark SQL, or a comment that says why it cannot be."""
    try:
        return _remarks(recipe, "--") + ";\n\n".join(sql_statements(context, recipe)) + ";\n"
    except SourceError as error:
        return _cannot(recipe, error, "--")


def to_view(context: RecipeContext, recipe: Recipe, name: str, *, is_lasting: bool = False) -> str:
    """A view that answers as the child did, over the Delta and Parquet files of its parents.

    Args:
        context: lake and folder of row numbers.
        recipe: of the child.
        name: of the view, with that of its database.
        is_lasting: whether it names the parents' files, so that what others append to their folders is not read.

    Raises:
        SourceError: if a view cannot say it.
    """
    sources = [_source(context, part.parent, "") for part in recipe.parts]
    if any(source.view for source in sources):
        raise SourceError(
            "a view cannot read this parent",
            value=next(part.parent.name for part, source in zip(recipe.parts, sources, strict=True) if source.view),
            expected="a Delta table, or Parquet without partitions",
        )
    parts = ".".join(identifier(part) for part in name.split("."))
    files = [_files(part.parent) if is_lasting else "" for part in recipe.parts]
    query = _query(context, recipe, [source.relation for source in sources], files)
    return f"CREATE OR REPLACE VIEW {parts} AS\n{query}"


def to_pyspark(context: RecipeContext, recipe: Recipe) -> str:
    """A snippet that leaves the child in `rebuilt`, given a session `spark`, or a comment that says why it cannot."""
    try:
        return _snippet(context, recipe)
    except SourceError as error:
        return _cannot(recipe, error, "#")


def _snippet(context: RecipeContext, recipe: Recipe) -> str:
    lines = [_remarks(recipe, "#") + "from pyspark.sql import functions as F"]
    names = []
    for number, part in enumerate(recipe.parts, 1):
        source, name = _source(context, part.parent, f"parent_{number}"), f"part_{number}"
        lines.append(f"\nparent_{number} = {source.reader}")
        lines += _part_lines(context, recipe, part, number)
        names.append(name)
    united = names[0] + "".join(f".unionAll({name})" for name in names[1:])
    return "\n".join([*lines, f"\nrebuilt = {united}{'.distinct()' if recipe.multiplicity == 'distinct' else ''}", ""])


def _part_lines(context: RecipeContext, recipe: Recipe, part: Part, number: int) -> list[str]:
    columns = [f"        F.expr({expression!r}).alias({alias!r})," for expression, alias in _columns(recipe, part)]
    lines = []
    chosen = f"parent_{number}"
    if isinstance(part.selector, Positions):
        lines.append(f"rows_{number} = spark.sql({_rows(context, part.selector)!r})")
        position = f"F.expr({_position(part.parent)!r}).alias({_POSITION.strip('`')!r})"
        lines.append(f"numbered_{number} = parent_{number}.select('*', {position})")
        condition_ = f"F.col({_POSITION!r}) == F.col({_ROW!r})"
        chosen = f"numbered_{number}.join(F.broadcast(rows_{number}), {condition_})"
    wheres = [f"    .where({text!r})" for text in _conditions(part)]
    distinct = ["    .distinct()"] if part.multiplicity == "distinct" else []
    return [*lines, f"part_{number} = (", f"    {chosen}", *wheres, "    .select(", *columns, "    )", *distinct, ")"]


def _query(context: RecipeContext, recipe: Recipe, relations: Sequence[str], files: Sequence[str] = ()) -> str:
    each = zip(recipe.parts, relations, files or [""] * len(relations), strict=True)
    selects = [_select(context, recipe, part, relation, only) for part, relation, only in each]
    return ("\nUNION\n" if recipe.multiplicity == "distinct" else "\nUNION ALL\n").join(selects)


def _select(context: RecipeContext, recipe: Recipe, part: Part, relation: str, only: str) -> str:
    columns = ",\n".join(_aliased(expression, alias) for expression, alias in _columns(recipe, part))
    distinct = " DISTINCT" if part.multiplicity == "distinct" else ""
    lines = [f"SELECT{distinct}", columns, f"FROM {relation}"]
    if isinstance(part.selector, Positions):
        numbered = f"SELECT *, {_position(part.parent)} AS {_POSITION} FROM {relation}"  # noqa: S608 - quoted
        lines[-1] = f"FROM ({numbered}{f' WHERE {only}' if only else ''})"
        lines.append(f"JOIN ({_rows(context, part.selector)}) ON {_POSITION} = {_ROW}")
    elif conditions := [*filter(None, [only]), *_conditions(part)]:
        lines.append("WHERE " + "\n  AND ".join(conditions))
    return "\n".join(lines)


def _rows(context: RecipeContext, selector: Positions) -> str:
    """SQL that gives the stored row numbers."""
    if not selector.rows.path:
        return f"SELECT explode(array({', '.join(map(str, selector.rows.inline))})) AS {_ROW}"
    path = identifier(spark_path(join_uri(spark_uri(context.folder), selector.rows.path)))
    return f"SELECT `row` AS {_ROW} FROM parquet.{path}"  # noqa: S608 - quoted


def _aliased(expression: str, alias: str) -> str:
    return f"  {expression}" if expression == identifier(alias) else f"  {expression} AS {identifier(alias)}"


def _columns(recipe: Recipe, part: Part) -> list[tuple[str, str]]:
    """SQL and name of each top-level column of the child."""
    maps = {path_of(one.child): path_of(one.parent) for one in part.columns}
    return [
        (_expression(field, (field.name,), maps, part), field.name)
        for field in schema_from_text(recipe.child.schema_ipc)
    ]


def _expression(
    field: pa.Field, path: tuple[str | int, ...], maps: dict[tuple[str | int, ...], tuple[str | int, ...]], part: Part
) -> str:
    """SQL that gives a column or a member of a struct; structs are put together from their leaves."""
    if path in maps:
        types = _types(part.parent)
        source = column(maps[path])
        is_same = types[maps[path]] == storage_type(field.type) and sql_type(types[maps[path]])
        return source if is_same else f"CAST({source} AS {sql_type(field.type)})"
    type_ = storage_type(field.type)
    if not pa.types.is_struct(type_):
        raise SourceError("Spark cannot address the second column of one name", value=path[0])
    members = ", ".join(
        f"{text_literal(child.name)}, {_expression(child, (*path, child.name), maps, part)}" for child in type_
    )
    leaf = next(source for target, source in maps.items() if target[: len(path)] == path)
    return f"IF({column(leaf[: len(path)])} IS NULL, NULL, named_struct({members}))"


def _conditions(part: Part) -> list[str]:
    if isinstance(part.selector, Positions):
        return []
    types = _types(part.parent)
    return [condition(term, column(path_of(term.token)), types[path_of(term.token)]) for term in part.selector.terms]


def _types(table: TableRef) -> dict[tuple[str | int, ...], pa.DataType]:
    return {leaf.path: leaf.type for leaf in schema_leaves(schema_from_text(table.schema_ipc))}


def _position(parent: TableRef) -> str:
    """SQL that gives the number of a parent's row: Spark counts the rows of each Parquet file."""
    names = [file.path.rpartition("/")[2] for file in parent.files]
    if parent.read_via != "arrow" or parent.format != "parquet":
        raise SourceError("Spark does not number the rows of such a table", value=parent.name)
    if len(names) == 1:
        return "_metadata.row_index"
    if len(set(names)) < len(names):
        raise SourceError("files of the parent share a name, so their rows cannot be numbered", value=parent.name)
    starts = [sum(file.n_rows for file in parent.files[:index]) for index in range(len(names))]
    cases = " ".join(f"WHEN {text_literal(name)} THEN {start}" for name, start in zip(names, starts, strict=True))
    return f"(_metadata.row_index + CASE _metadata.file_name {cases} END)"


def _files(parent: TableRef) -> str:
    """The condition that a row lies in one of a folder's files; empty where the version or the path says it."""
    if parent.format in ("delta", "iceberg") or (parent.is_one_file and parent.files[0].path == parent.path):
        return ""
    names = [file.path.rpartition("/")[2] for file in parent.files]
    if len(set(names)) < len(names):
        raise SourceError("files of the parent share a name, so a view cannot name them", value=parent.name)
    return f"_metadata.file_name IN ({', '.join(map(text_literal, names))})"


def _source(context: RecipeContext, table: TableRef, view: str) -> _Source:
    schema = schema_from_text(table.schema_ipc)
    if len({name.casefold() for name in schema.names}) < len(schema.names):
        raise SourceError("Spark cannot address the second column of one name", value=table.name)
    if table.format == "iceberg":
        raise SourceError("Spark needs a catalog to read an Iceberg table", value=table.name)
    uri = join_uri(spark_uri(context.lake.root), *([] if table.path == "." else [table.path]))
    if table.format == "delta":
        option = f'.option("versionAsOf", {table.delta_version})'
        relation = f"delta.{identifier(uri)} VERSION AS OF {table.delta_version}"
        return _Source(relation, "", f'spark.read.format("delta"){option}.load({uri!r})')
    path, options = spark_path(uri), _options(table)
    fields = ", ".join(f"{identifier(field.name)} {sql_type(field.type)}" for field in schema)
    if table.partition_columns and any(_FOREIGN_ESCAPE.search(file.path) for file in table.files):
        raise SourceError("Spark reads the folders' escaped letters otherwise", value=table.name)
    if table.format == "parquet" and not table.partition_columns:
        return _Source(f"parquet.{identifier(path)}", "", f"spark.read.parquet({path!r})")
    pairs = ", ".join(f"{text_literal(key)} {text_literal(value)}" for key, value in {"path": path, **options}.items())
    statement = (
        f"CREATE OR REPLACE TEMPORARY VIEW {identifier(view)} ({fields})\nUSING {table.format}\nOPTIONS ({pairs})"
    )
    settings = f".options(**{options!r})" if options else ""
    reader = f"spark.read.schema({fields!r}){settings}.format({table.format!r}).load({path!r})"
    return _Source(identifier(view), statement, reader)


def _options(table: TableRef) -> dict[str, str]:
    dialect = table.dialect
    if dialect is None or table.format == "json":
        return {}
    return {
        "header": "true" if dialect.has_header else "false",
        "sep": dialect.delimiter,
        "quote": '"',
        "escape": '"',
        "multiLine": "true",
        "nullValue": next(iter(dialect.null_values), ""),
        "encoding": dialect.encoding,
    }


def _remarks(recipe: Recipe, mark: str) -> str:
    parents = ", ".join(part.parent.name for part in recipe.parts)
    order = f"\n{mark} The order of rows is lost: {recipe.order.reason}." if recipe.order.state == "lost" else ""
    first = f"{mark} {recipe.child.name}, rebuilt from {parents}".replace("\n", " ").replace("\r", " ")
    return f"{first}{order}\n"


def _cannot(recipe: Recipe, error: SourceError, mark: str) -> str:
    reason = f"{error.what}: {error.value}".replace("\n", " ").replace("\r", " ")
    return f"{_remarks(recipe, mark)}{mark} Spark cannot say it ({reason}); lakebed itself can: lakebed restore\n"
