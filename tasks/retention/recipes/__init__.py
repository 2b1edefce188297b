"""Rebuild recipes: how a contained table is made again from its parents, synthesised, executed and compared.

Public functions (all raise `SourceError` where the lake cannot be read, `PlanError` where something has moved):

`RecipeContext(lake, folder, key, config)`
    lake: `LakeConfig`; folder: URI where stored row numbers lie; key: the 16 bytes of the row hashes
    (`ContainmentConfig.key`); config: `RecipeConfig`.
`table_refs(inventory, names, lake) -> dict[str, TableRef]`
    the inventory's tables (`InventoryTables`) as references; digests and schemas still missing.
`describe(context, ref) -> TableRef`
    the reference completed from the files themselves: schema, digests, dialect. Also how a table is named *now*.
`synthesise(context, child, parents) -> Outcome`
    child: TableRef; parents: one TableRef or several. The recipe in it was executed and compared.
`rebuild(context, recipe) -> pa.Table`
    the child's rows from the parents by the recipe alone; refuses parents that have moved.
`strict_digest(table, key, *, partition=…) -> StrictDigest`; `digest_table(context, ref) -> StrictDigest`
    of rows in memory; of a table of the lake as it reads.
`verify(context, recipe) -> Refusal | None`
    executes the recipe and compares with the recipe's digest; None is equal.
`check_parents(context, recipe)`
    raises PlanError if a parent is not what the recipe is pinned to.
`write_rebuilt(context, recipe, destination) -> tuple[str, ...]`
    rebuilds and writes the child in its own format below `destination` (a URI that takes the place of the lake root,
    so that the files get their own relative paths), reads it back and compares; the paths written.
`to_sql(recipe) -> str`, `to_pyspark(recipe) -> str`, `to_view(recipe, name) -> str`
    for people: Spark SQL, a PySpark snippet, a view definition over Delta parents.
`synthesise_on_spark(session, context, pairs) -> list[Outcome]`
    the same for any number of pairs in one job.
"""
