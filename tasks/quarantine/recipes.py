"""The quarantine's rebuilder: recipes, executed in this process."""

import hashlib

from pydantic import ValidationError

from lakebed.connectors.errors import PlanError, SourceError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.storage import Storage
from lakebed.tasks.encoding import OLDER_ENCODING_ID
from lakebed.tasks.quarantine.receipt import quoted
from lakebed.tasks.retention.plan import MAKE_AGAIN, PlannedTable
from lakebed.tasks.retention.recipes.config import RecipeConfig
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import Recipe
from lakebed.tasks.runtime.hash_key import KEY_FILE, HashKeys, keep_key


class RecipeRebuilder:
    """See `lakebed.tasks.quarantine.rebuilding.Rebuilder`.

    A table and its parents are held in memory, one table at a time, where they are small, else read batch by batch.

    Args:
        keys: `ContainmentConfig.hash_keys`; among them that of the run, unless the quarantine keeps it.
        rows: folder of the row numbers that recipes need, of the plan; empty once the quarantine keeps them.
        config: limits of recipes.
    """

    def __init__(self, keys: HashKeys, rows: str = "", config: RecipeConfig | None = None) -> None:
        self._keys = keys
        self._rows = rows
        self._config = config or RecipeConfig()

    def require_equal(self, table: PlannedTable, lake: LakeConfig, kept: str = "", data: str = "") -> PlannedTable:
        """See `Rebuilder.require_equal`."""
        from lakebed.tasks.retention.recipes.write import verify

        recipe = recipe_of(table)
        if recipe.traits is None:
            recipe = _completed(recipe, lake.model_copy(update={"root": data or lake.root}))
        if refusal := verify(self._context(recipe, lake, kept), recipe):
            raise PlanError(
                f"the rebuild of {table.name} does not equal it: {refusal.reason}; nothing was done",
                value=refusal.code,
                expected=f"rows with the strict hash {table.original_hash[:16]}…, and the traits of the original",
                hint=f"lakebed restore {quoted(table.name)} --lake {quoted(lake.root)}" if data else MAKE_AGAIN,
            )
        return table.model_copy(update={"recipe": recipe.model_dump(mode="json")})

    def keep(self, table: PlannedTable, target: Storage, folder: str) -> None:
        """See `Rebuilder.keep`."""
        recipe = recipe_of(table)
        if recipe.digest.encoding != OLDER_ENCODING_ID:
            keep_key(target, f"{folder}/{KEY_FILE}", self._keys.find(recipe.digest.key_id))
        for stored in recipe.stored:
            data = Storage.at(self._rows, PlanError).read_bytes(stored.path)
            if hashlib.sha256(data).hexdigest() != stored.sha256:
                raise PlanError(
                    "row numbers that a recipe needs have changed; nothing was done",
                    value=f"{self._rows}/{stored.path}",
                    expected=f"SHA-256 {stored.sha256}",
                    hint=MAKE_AGAIN,
                )
            target.write_bytes_atomic(f"{folder}/{stored.path}", data)

    def write(self, table: PlannedTable, lake: LakeConfig, kept: str, destination: str) -> tuple[str, ...]:
        """See `Rebuilder.write`."""
        from lakebed.tasks.retention.recipes.write import write_rebuilt

        recipe = recipe_of(table)
        return write_rebuilt(self._context(recipe, lake, kept), recipe, destination)

    def _context(self, recipe: Recipe, lake: LakeConfig, kept: str) -> RecipeContext:
        key = self._keys.find(recipe.digest.key_id, kept)
        return RecipeContext(lake, kept or self._rows, key, self._config, key)


def _completed(recipe: Recipe, lake: LakeConfig) -> Recipe:
    """A recipe of an older version with the traits of the original, whose files lie below the root of `lake`."""
    from lakebed.tasks.retention.recipes.reader import TableReader, table_traits

    try:
        reader = TableReader(lake, recipe.child)
        child = reader.describe()
        reader.require_writable()
        reader.require_whole_timestamps()
        return recipe.model_copy(update={"child": child, "traits": table_traits(lake, child)})
    except SourceError as error:
        raise PlanError(
            f"{recipe.child.name} cannot be compared with its rebuild: {error.what}; nothing was done",
            value=error.value,
            expected=error.expected or "the original's files, whole",
            hint=f"lakebed restore {quoted(recipe.child.name)}, or {MAKE_AGAIN}",
        ) from error


def recipe_of(table: PlannedTable) -> Recipe:
    """The recipe of a planned table, held to what the plan says of it.

    Raises:
        PlanError: if it is none, or is about other tables or another hash.
    """
    try:
        recipe = Recipe.model_validate(table.recipe)
    except ValidationError as error:
        raise PlanError(
            "a table's recipe is not whole", value=f"{table.name}: {error.errors()[0]['msg']}", hint=MAKE_AGAIN
        ) from error
    parents = {part.parent.name for part in recipe.parts}
    if recipe.child.name != table.name or parents != set(table.parents) or recipe.digest.rows != table.original_hash:
        raise PlanError(
            "a table's recipe is not the one that the plan speaks of",
            value=f"{recipe.child.name} from {', '.join(sorted(parents))}",
            expected=f"{table.name} from {', '.join(sorted(table.parents))}",
            hint=MAKE_AGAIN,
        )
    return recipe
