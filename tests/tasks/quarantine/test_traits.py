"""The floor of traits: a table that has one goes plan, apply, purge, restore and has it again, or is not planned."""

import json
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import purge
from lakebed.tasks.quarantine.recipes import RecipeRebuilder, recipe_of
from lakebed.tasks.quarantine.restore import restore
from lakebed.tasks.retention.identity import LakeState, digested
from lakebed.tasks.retention.plan import Plan, PlannedTable
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import Outcome, Recipe
from lakebed.tasks.retention.recipes.refs import observe
from lakebed.tasks.retention.recipes.synthesis import synthesise
from tests.tasks.quarantine.keys import KEY, KEYS
from tests.tasks.quarantine.trait_tables import KEPT, REFUSED, Writer, annotated, content, polars_frame, seen, write

ID = '["id"]'
CONFIG = QuarantineConfig(grace_days=0)


def outcome_of(root: Path) -> Outcome:
    lake = LakeConfig(root=str(root))
    context = RecipeContext(lake, str(root.parent / "rows"), KEY)
    return synthesise(context, observe(lake, "part"), [observe(lake, "all")])


def plan_of(root: Path, recipe: Recipe, **without: None) -> Plan:
    """A plan that deletes `part`."""
    lake = LakeConfig(root=str(root))
    state = LakeState.of(lake)
    identities = {one.name: one for one in digested(state.root, [state.identity(name) for name in ("all", "part")])}
    facts = {"n_rows": recipe.child.n_rows, "n_bytes": recipe.child.n_bytes, "n_accesses": 0.0, "why": ""}
    deletion = {
        "parents": ("all",),
        "recipe": recipe.model_dump(mode="json") | without,
        "original_hash": recipe.digest.rows,
    }
    kept = PlannedTable(name="all", decision="keep", reason="parent", identity=identities["all"], **facts)
    gone = PlannedTable(
        name="part", decision="delete", reason="rebuilt", identity=identities["part"], **facts, **deletion
    )
    plan = Plan(
        lake=lake, lake_identity=state.listing_identity, artifacts={}, config_digest="", currency="EUR",
        prices_date="2026-11-01", tables=(kept, gone),
    )  # fmt: skip
    return plan.sealed("2026-11-26T00:00:00+00:00")


def rebuilder(root: Path) -> RecipeRebuilder:
    return RecipeRebuilder(KEYS, str(root.parent / "rows"))


def applied(root: Path, plan: Plan) -> None:
    with Quarantine.hold(str(root), CONFIG, "apply") as quarantine:
        apply_plan(quarantine, plan, rebuilder(root))


def purged(root: Path) -> None:
    with Quarantine.hold(str(root), CONFIG, "purge") as quarantine:
        purge(quarantine, ["part"], rebuilder(root))


def restored(root: Path) -> None:
    with Quarantine.hold(str(root), CONFIG, "restore") as quarantine:
        restore(quarantine, ["part"], rebuilder(root))


@pytest.mark.parametrize("name", KEPT)
def test_a_table_comes_back_with_what_readers_saw(name: str, tmp_path: Path) -> None:
    there_and_back(tmp_path, KEPT[name])


def there_and_back(folder: Path, writer: Writer) -> None:
    """The whole way of `part`: before and after it readers see the same."""
    root = folder / "lake"
    write(root, writer)
    before, rows = seen(root), content(root)
    outcome = outcome_of(root)
    assert outcome.recipe is not None, outcome.refusal
    applied(root, plan_of(root, outcome.recipe))
    purged(root)
    assert seen(root) == {}
    restored(root)
    assert seen(root) == before
    assert content(root) == rows


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_come_back_has_no_recipe_and_says_why(name: str, tmp_path: Path) -> None:
    writer, word = REFUSED[name]
    write(tmp_path / "lake", writer)
    outcome = outcome_of(tmp_path / "lake")
    assert outcome.recipe is None and outcome.refusal is not None
    assert word in outcome.refusal.reason


def test_a_recipe_without_traits_gets_them_when_the_table_is_set_aside(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    write(root, annotated(4, 4))
    before, recipe = seen(root), outcome_of(root).recipe
    assert recipe is not None
    plan = plan_of(root, recipe, traits=None)
    assert recipe_of(plan.table("part")).traits is None
    applied(root, plan)
    with Quarantine.hold(str(root), CONFIG, "look") as quarantine:
        kept = recipe_of(quarantine.receipt(quarantine.live()[0]).table)
    assert kept.traits == recipe.traits
    purged(root)
    restored(root)
    assert seen(root) == before


def older_receipt(root: Path, **changes: object) -> None:
    """Makes the receipt of `part` one that knows no traits."""
    (path,) = (root / "_lakebed_quarantine" / "entries").glob("*/receipt.json")
    receipt = json.loads(path.read_text())
    receipt["table"]["recipe"] |= {"traits": None, **changes}
    path.write_text(json.dumps(receipt))


def test_a_table_set_aside_without_traits_gets_them_before_it_is_purged(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    write(root, annotated(4, 4))
    before, recipe = seen(root), outcome_of(root).recipe
    assert recipe is not None
    applied(root, plan_of(root, recipe))
    older_receipt(root)
    purged(root)
    restored(root)
    assert seen(root) == before


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_set_aside_without_traits_that_cannot_come_back_is_not_purged(name: str, tmp_path: Path) -> None:
    root, other = tmp_path / "lake", tmp_path / "other" / "lake"
    other.parent.mkdir()
    writer, word = REFUSED[name]
    write(root, writer)
    # what an older version has set aside: its recipe compared the rows as Arrow reads them, and no more
    recipe = older_recipe(root)
    plan = plan_of(root, recipe)
    with Quarantine.hold(str(root), CONFIG, "apply") as quarantine, pytest.raises(PlanError, match="nothing was done"):
        apply_plan(quarantine, plan, rebuilder(root))
    before = seen(root)
    with Quarantine.hold(str(root), CONFIG, "apply") as quarantine:
        apply_plan(quarantine, plan, Believing(KEYS, str(root.parent / "rows")))
    with Quarantine.hold(str(root), CONFIG, "purge") as quarantine:
        with pytest.raises(PlanError, match="nothing was done") as caught:
            purge(quarantine, ["part"], rebuilder(root))
        assert {state.phase for state in quarantine.live()} == {Phase.SET_ASIDE}
    assert word in f"{caught.value.what} {caught.value.value}"
    assert "lakebed restore part" in caught.value.hint
    restored(root)
    assert seen(root) == before


class Believing(RecipeRebuilder):
    """A rebuilder of a version that compared less."""

    def require_equal(self, table: PlannedTable, lake: LakeConfig, kept: str = "", data: str = "") -> PlannedTable:
        return table


def older_recipe(root: Path) -> Recipe:
    """The recipe of `part` as 274a0e1 made it: rows, types and order are right, of traits it knows nothing."""
    from lakebed.tasks.encoding import OLDER_ENCODING_ID
    from lakebed.tasks.retention.recipes.digest import digest_like
    from lakebed.tasks.retention.recipes.model import ColumnMap, Constant, Part, Range, RowOrder, StrictDigest, Where
    from lakebed.tasks.retention.recipes.reader import TableReader
    from lakebed.tasks.runtime.hash_key import OLDER_PUBLIC_KEY, key_id

    lake = LakeConfig(root=str(root))
    reader = TableReader(lake, observe(lake, "part"))
    child, parent = reader.describe(), TableReader(lake, observe(lake, "all")).describe()
    ends = [Constant(type="int64", value=str(end)) for end in (100, 199)]
    where = Where(shape="range", terms=(Range(token=ID, low=ends[0], high=ends[1]),))
    maps = tuple(ColumnMap(child=leaf.token, parent=leaf.token) for leaf in child.leaves)
    wanted = StrictDigest(
        encoding=OLDER_ENCODING_ID, key_id=key_id(OLDER_PUBLIC_KEY), n_rows=child.n_rows, columns="", rows=""
    )
    cells = reader.cells([leaf.token for leaf in child.leaves])
    digest = digest_like(wanted, reader.schema, cells, RecipeContext(lake, "", KEY))
    if child.dialect is not None:
        child = child.model_copy(update={"dialect": child.dialect.model_copy(update={"n_quotes": -1})})
    part = Part(parent=parent, columns=maps, selector=where)
    return Recipe(child=child, parts=(part,), order=RowOrder(state="kept"), digest=digest)


def test_files_of_polars_come_back(tmp_path: Path) -> None:
    there_and_back(tmp_path, polars_frame)


@pytest.fixture
def upgrade(tmp_path: Path) -> Path:
    """What 274a0e1 left, moved to a folder of this test: receipts and plans name their lake by its path."""
    with tarfile.open(Path(__file__).parents[2] / "fixtures" / "upgrade_274a0e1.tar.gz") as packed:
        packed.extractall(tmp_path, filter="data")
    for path in [*tmp_path.rglob("receipt.json"), tmp_path / "plan.json"]:
        path.write_text(path.read_text().replace("/tmp/lakebed-upgrade-274a0e1", str(tmp_path)))
    return tmp_path


def old_rebuilder(upgrade: Path) -> RecipeRebuilder:
    (rows,) = (upgrade / "artifacts" / "retention").glob("*")
    return RecipeRebuilder(KEYS, str(rows / "recipes"))


def test_tables_that_an_older_version_set_aside_are_compared_by_their_traits(upgrade: Path) -> None:
    root, names = upgrade / "lake", ("exports/clicks", "sales/orders_first_half")
    kept = {name: next(root.glob(f"_lakebed_quarantine/entries/*/data/{name}.parquet")) for name in names}
    before = {name: seen(path.parent, path.stem) for name, path in kept.items()}
    with Quarantine.hold(str(root), CONFIG, "purge") as quarantine:
        assert purge(quarantine, names, old_rebuilder(upgrade)).tables == names
        receipts = [quarantine.receipt(state) for state in quarantine.live() if state.table in names]
        assert all(recipe_of(receipt.table).traits is not None for receipt in receipts)
    with Quarantine.hold(str(root), CONFIG, "restore") as quarantine:
        assert set(restore(quarantine, None, old_rebuilder(upgrade)).rebuilt) == {*names, "sales/orders_small"}
    assert {name: seen((root / name).parent, (root / name).name) for name in names} == before
    assert pq.read_schema(root / "sales" / "orders_small.parquet").names == ["order_id", "cents", "customer"]


def test_a_plan_of_an_older_version_is_verified_with_traits(upgrade: Path) -> None:
    root = upgrade / "lake"
    older = Plan.model_validate_json((upgrade / "plan.json").read_text())
    kept = {"decision": "keep", "parents": (), "recipe": None, "original_hash": "", "saving": None, "evidence": ()}
    tables = [table if table.name == "exports/orders" else table.model_copy(update=kept) for table in older.tables]
    plan = older.model_copy(update={"tables": tuple(tables)}).sealed(older.created_at)
    assert recipe_of(plan.table("exports/orders")).traits is None
    before = seen(root / "exports", "orders")
    with Quarantine.hold(str(root), CONFIG, "apply") as quarantine:
        (receipt,) = apply_plan(quarantine, plan, old_rebuilder(upgrade)).receipts
        assert recipe_of(receipt.table).traits is not None
        purge(quarantine, ["exports/orders"], old_rebuilder(upgrade))
        restore(quarantine, ["exports/orders"], old_rebuilder(upgrade))
    assert seen(root / "exports", "orders") == before


def spark_files(session: SparkSession, kind: str) -> Writer:
    """Folders that Spark writes."""

    def write_one(root: Path, name: str, low: int, high: int) -> None:
        columns = "id", "'n' || id AS name", "id / 4 AS x"
        nested = (
            "CAST(id / 4 AS DECIMAL(12, 2)) AS money",
            "timestamp_millis(1700000000000 + id * 1000) AS at",
            "DATE '2024-01-01' AS day",
            "array(id, NULL) AS list",
            "map('k', id) AS map",
            "named_struct('a', id, 'b', array('x', NULL)) AS struct",
        )
        rows = session.range(low, high, 1, 1).selectExpr(*columns, *(nested if kind == "parquet" else ()))
        writer = rows.write.option("header", "true")
        (writer.partitionBy("day") if kind == "parquet" else writer).format(kind).save(str(root / name))
        for checksum in root.rglob(".*.crc"):
            checksum.unlink()

    return write_one


@pytest.mark.spark
@pytest.mark.parametrize("is_legacy", [False, True])
@pytest.mark.parametrize("type_", ["INT96", "TIMESTAMP_MICROS"])
def test_files_of_spark_come_back(spark: SparkSession, tmp_path: Path, type_: str, is_legacy: bool) -> None:
    settings = {
        "spark.sql.parquet.outputTimestampType": type_,
        "spark.sql.parquet.writeLegacyFormat": str(is_legacy).lower(),
    }
    for key, value in settings.items():
        spark.conf.set(key, value)
    try:
        there_and_back(tmp_path, spark_files(spark, "parquet"))
    finally:
        for key in settings:
            spark.conf.unset(key)


@pytest.mark.spark
def test_lists_of_two_levels_are_kept_as_they_are(spark: SparkSession, tmp_path: Path) -> None:
    """Spark's old way to write lists without nulls, which Arrow cannot write."""

    def write_one(root: Path, name: str, low: int, high: int) -> None:
        rows = spark.range(low, high, 1, 1).selectExpr("id", "array(id) AS words")
        rows.write.option("spark.sql.parquet.writeLegacyFormat", "true").parquet(str(root / name))

    write(tmp_path / "lake", write_one)
    refusal = outcome_of(tmp_path / "lake").refusal
    assert refusal is not None and "words.array is repeated INT64, and would be repeated group" in refusal.reason


@pytest.mark.spark
@pytest.mark.parametrize("kind", ["csv", "json", "delta"])
def test_text_and_delta_of_spark_come_back(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    there_and_back(tmp_path, spark_files(spark, kind))
