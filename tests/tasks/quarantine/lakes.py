"""A small lake in every layout that moves differently, a plan for it, and what tells that nothing was lost."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.mover import file_sha256
from lakebed.tasks.retention.identity import LakeState, digested
from lakebed.tasks.retention.plan import Plan, PlannedTable
from tests.tasks.quarantine.keys import KEY

PARENT = "all"
# name of the child, its format, the rows of the parent that it has
CHILDREN = {
    "part": ("parquet", 10, 30),
    "sub/text": ("csv", 0, 25),
    "days": ("parquet", 40, 80),
    "mixed": ("parquet", 5, 65),
    "delta": ("delta", 20, 90),
}
N_ROWS = 100


def parent_rows() -> pa.Table:
    days = pa.array([1 if i < 60 else 2 for i in range(N_ROWS)], pa.int64())
    return pa.table({"id": range(N_ROWS), "name": [f"n{i * 7}" for i in range(N_ROWS)], "day": days})


def child_rows(name: str) -> pa.Table:
    """Its rows, without the partition column that stands in the paths of `days`."""
    _, start, end = CHILDREN[name]
    return parent_rows().slice(start, end - start).select(["id", "name"])


def write_lake(root: Path) -> Path:
    """One parent; as children a file, a text file, partitions with a hidden file, a shared folder, a Delta table."""
    (root / "sub").mkdir(parents=True)
    pq.write_table(parent_rows(), root / "all.parquet")
    pq.write_table(child_rows("part"), root / "part.parquet")
    pacsv.write_csv(child_rows("sub/text"), root / "sub" / "text.csv")
    days = child_rows("days")
    for day in (1, 2):
        (root / "days" / f"day={day}").mkdir(parents=True)
        pq.write_table(days.slice(20 * (day - 1), 20), root / "days" / f"day={day}" / "part-0.parquet")
    (root / "days" / "_SUCCESS").touch()
    (root / "mixed").mkdir()
    for number in range(3):
        pq.write_table(child_rows("mixed").slice(20 * number, 20), root / "mixed" / f"part-{number}.parquet")
    (root / "mixed" / "notes.txt").write_text("belongs to somebody else")
    write_delta(root / "delta")
    return root


def write_delta(folder: Path) -> None:
    from deltalake import write_deltalake

    rows = child_rows("delta")
    write_deltalake(folder, rows.slice(0, 30))
    write_deltalake(folder, rows.slice(30), mode="append")


def make_plan(lake: LakeConfig, names=tuple(CHILDREN), parents=(PARENT,)) -> Plan:
    """A plan that deletes the children named; the recipe is a slice of the parent's rows."""
    state = LakeState.of(lake)
    kept = sorted(set(state.sources) - set(names))
    identities = {name: state.identity(name) for name in (*names, *kept)}
    exact = {one.name: one for one in digested(state.root, [identities[name] for name in (*names, *parents)])}
    tables = [_planned(name, exact.get(name, identities[name]), name in names, parents) for name in sorted(identities)]
    return Plan(
        lake=lake,
        lake_identity=state.listing_identity,
        artifacts={},
        config_digest="",
        currency="EUR",
        prices_date="2026-11-01",
        tables=tuple(tables),
    ).sealed("2026-11-26T00:00:00+00:00")


def make_real_plan(lake: LakeConfig, rows_folder: str, names=tuple(CHILDREN)) -> Plan:
    """The same with recipes that were synthesised, executed and compared."""
    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.reader import TableReader
    from lakebed.tasks.retention.recipes.refs import observe
    from lakebed.tasks.retention.recipes.synthesis import synthesise

    plan, context = make_plan(lake, names), RecipeContext(lake, rows_folder, KEY)
    parent = TableReader(lake, observe(lake, PARENT)).describe()
    recipes = {}
    for table in plan.deleted:
        outcome = synthesise(context, TableReader(lake, observe(lake, table.name)).describe(), [parent])
        assert outcome.recipe is not None, outcome
        facts = {"recipe": outcome.recipe.model_dump(mode="json"), "original_hash": outcome.recipe.digest.rows}
        recipes[table.name] = facts
    tables = [table.model_copy(update=recipes.get(table.name, {})) for table in plan.tables]
    return plan.model_copy(update={"tables": tuple(tables)}).sealed(plan.created_at)


def _planned(name, identity, is_deleted, parents) -> PlannedTable:
    facts = {"n_rows": 0, "n_bytes": sum(file.size for file in identity.files), "n_accesses": 0.0}
    if not is_deleted:
        return PlannedTable(name=name, decision="keep", reason="kept", why="", identity=identity, **facts)
    _, start, end = CHILDREN[name]
    return PlannedTable(
        name=name,
        decision="delete",
        reason="contained",
        why="",
        identity=identity,
        parents=parents,
        recipe={"parent": "all.parquet", "start": start, "end": end, "path": identity.files[0].path},
        original_hash=rows_digest(child_rows(name)),
        **(facts | {"n_rows": end - start}),
    )


def rows_digest(table: pa.Table) -> str:
    return hashlib.sha256(repr(table.to_pydict()).encode()).hexdigest()


class SliceRebuilder:
    """Rebuilds by slicing the parent; reads and compares for real, in a fraction of a real recipe's start-up time."""

    def require_equal(self, table, lake, kept="", data=""):
        if rows_digest(self._rows(table, lake)) != table.original_hash:
            raise PlanError("the rebuild differs", value=table.name, hint="lakebed plan")
        return table

    def keep(self, table, target, folder):
        target.write_bytes_atomic(f"{folder}/rows.parquet", b"row numbers")

    def write(self, table, lake, kept, destination):
        rows, path = self._rows(table, lake), table.recipe["path"]
        if rows_digest(rows) != table.original_hash:
            raise PlanError("the rebuild differs", value=table.name, hint="lakebed plan")
        with Storage.at(destination).open_output(path) as stream:
            pacsv.write_csv(rows, stream) if path.endswith(".csv") else pq.write_table(rows, stream)
        return (path,)

    def _rows(self, table, lake):
        with Storage.at(lake.root).open(table.recipe["parent"]) as stream:
            parent = pq.read_table(stream)
        rows = parent.slice(table.recipe["start"], table.recipe["end"] - table.recipe["start"])
        return rows.select(["id", "name"])


def snapshot(storage: Storage) -> dict[str, tuple[str, int]]:
    """Every file: SHA-256, and the time of change where it is kept (local files)."""
    return {
        file.path: (file_sha256(storage, file.path), file.mtime_ns if storage.is_local else 0)
        for file in storage.list_files()
    }


def read_place(root: Path, name: str) -> pa.Table:
    """The rows of a child where it lies, in the order of the original."""
    if name == "sub/text":
        return pacsv.read_csv(root / "sub" / "text.csv")
    if name == "delta":
        from deltalake import DeltaTable

        return DeltaTable(root / "delta").to_pyarrow_table().sort_by("id")
    paths = [root / "part.parquet"] if name == "part" else sorted((root / name).rglob("*.parquet"))
    return pa.concat_tables([pq.ParquetFile(path).read() for path in paths])
