"""Rebuild recipes: how a contained table is made again from its parents, synthesised, executed and compared.

Functions raise `SourceError` where the lake cannot be read, `PlanError` where something has moved or cannot be written.

context.RecipeContext(lake, folder, key, config, older), RecipeContext.of(workspace, folder, containment, config)
    lake: `LakeConfig`; folder: URI where stored row numbers lie; key: the 32 bytes of the row hashes; older: those of
    recipes of the first encoding. `of` takes lake and keys from the workspace and `ContainmentConfig` of a run.
refs.table_refs(inventory, names) -> dict[str, TableRef]
    the inventory's tables (`InventoryTables`) as references; digests, schema and dialect still missing.
refs.observe_again(lake, ref) -> TableRef
    the same from the files as they lie there now, by the path of a known reference.
reader.TableReader(lake, ref).describe() -> TableRef
    the reference completed from the files: schema, digests, dialect.
synthesis.synthesise(context, child, parents, columns=None) -> Outcome
    the recipe in it was executed, compared and (by default) written to a temporary folder and read.
jobs.synthesise_all(engine, context, pairs) -> list[Outcome]
    the same for any number of `pairs.PairRefs(child, parents)` in one job.
rebuild.rebuild(context, recipe) -> pa.Table
    the child's rows from the parents by the recipe alone; refuses parents whose bytes or version have moved.
rebuild.compare(recipe, table, context) -> Refusal | None
    rows in memory with the recipe's digest; None: equal
write.verify(context, recipe) -> Refusal | None
    executes, compares, writes to a temporary folder, reads, compares again, traits too
reader.table_traits(lake, ref) -> Traits
    what a reader sees beside the rows, of a table that `describe` has completed; reads footers and the Delta log only
digest.strict_digest(table, key) -> StrictDigest, digest.digest_table(context, ref) -> StrictDigest
    of rows in memory; of a table of the lake as it reads.
write.write_rebuilt(context, recipe, destination) -> tuple[str, ...]
    rebuilds, compares, writes in the child's own format below `destination` (which stands for the lake root), reads it
    back and compares again; the paths written; without rebuilding: `write.write_table_as(context, recipe, table, ...)`
emit.to_sql(context, recipe), emit.to_pyspark(context, recipe), emit.to_view(context, recipe, name) -> str
    for people; `emit.sql_statements(context, recipe)`: the single statements.
"""
