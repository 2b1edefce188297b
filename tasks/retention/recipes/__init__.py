"""Rebuild recipes: how a contained table is made again from its parents, synthesised, executed and compared.

Functions raise `SourceError` where the lake cannot be read, `PlanError` where something has moved or cannot be written.

`RecipeContext(lake, folder, key, config)`, `RecipeContext.of(lake, folder, containment_config, recipe_config)`
    lake: `LakeConfig`; folder: URI where stored row numbers lie; key: the 16 bytes of the row hashes.
`table_refs(inventory, names) -> dict[str, TableRef]`
    the inventory's tables (`InventoryTables`) as references; digests, schema and dialect still missing.
`observe(lake, name) -> TableRef`, `observe_again(lake, ref) -> TableRef`
    the same from the files as they lie there now, by name or by the path of a known reference.
`describe(context, ref) -> TableRef`
    the reference completed from the files: schema, digests, dialect.
`synthesise(context, child, parents, columns=None) -> Outcome`
    the recipe in it was executed, compared and (by default) written to a temporary folder and read.
`synthesise_on_spark(session, context, pairs) -> list[Outcome]`
    the same for any number of `PairRefs(child, parents)` in one job.
`rebuild(context, recipe) -> pa.Table`
    the child's rows from the parents by the recipe alone; refuses parents whose bytes or version have moved.
`verify(context, recipe) -> Refusal | None`
    executes and compares with the recipe's digest; None is equal. `compare(recipe, table, context)` is its second half.
`check_parents(context, recipe)`, `check_table(context, ref)`
    cheap: raises PlanError if a parent (a table) is not what the recipe is pinned to, by size, file list, version.
`strict_digest(table, key) -> StrictDigest`, `digest_table(context, ref) -> StrictDigest`
    of rows in memory; of a table of the lake as it reads.
`write_rebuilt(context, recipe, destination) -> tuple[str, ...]`
    rebuilds, compares, writes in the child's own format below `destination` (which stands for the lake root), reads it
    back and compares again; the paths written. `write_table_as(context, recipe, table, destination)`: the second half.
`to_sql(context, recipe)`, `to_pyspark(context, recipe)`, `to_view(context, recipe, name)`
    text for people; `sql_statements(context, recipe)` the single statements.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.retention.recipes.config import RecipeConfig
    from tasks.retention.recipes.context import RecipeContext
    from tasks.retention.recipes.digest import digest_table, strict_digest
    from tasks.retention.recipes.emit import sql_statements, to_pyspark, to_sql, to_view
    from tasks.retention.recipes.model import Outcome, Recipe, Refusal, StrictDigest, TableRef
    from tasks.retention.recipes.pairs import PairRefs
    from tasks.retention.recipes.reader import describe
    from tasks.retention.recipes.rebuild import check_parents, check_table, compare, rebuild, verify
    from tasks.retention.recipes.refs import observe, observe_again, table_refs
    from tasks.retention.recipes.spark import synthesise_on_spark
    from tasks.retention.recipes.synthesis import synthesise
    from tasks.retention.recipes.write import write_rebuilt, write_table_as

_HOMES = {
    "config": ("RecipeConfig",),
    "context": ("RecipeContext",),
    "digest": ("digest_table", "strict_digest"),
    "emit": ("sql_statements", "to_pyspark", "to_sql", "to_view"),
    "model": ("Outcome", "Recipe", "Refusal", "StrictDigest", "TableRef"),
    "pairs": ("PairRefs",),
    "reader": ("describe",),
    "rebuild": ("check_parents", "check_table", "compare", "rebuild", "verify"),
    "refs": ("observe", "observe_again", "table_refs"),
    "spark": ("synthesise_on_spark",),
    "synthesis": ("synthesise",),
    "write": ("write_rebuilt", "write_table_as"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Outcome",
    "PairRefs",
    "Recipe",
    "RecipeConfig",
    "RecipeContext",
    "Refusal",
    "StrictDigest",
    "TableRef",
    "check_parents",
    "check_table",
    "compare",
    "describe",
    "digest_table",
    "observe",
    "observe_again",
    "rebuild",
    "sql_statements",
    "strict_digest",
    "synthesise",
    "synthesise_on_spark",
    "table_refs",
    "to_pyspark",
    "to_sql",
    "to_view",
    "verify",
    "write_rebuilt",
    "write_table_as",
]


def __getattr__(name: str) -> object:
    """Loads the module of a public name when it is first asked for."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
