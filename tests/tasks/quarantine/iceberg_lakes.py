"""A lake whose Iceberg table lies in a Parquet file, with a plan that sets it aside."""

import shutil

import pyarrow.parquet as pq
from pyiceberg.catalog import load_catalog
from pyiceberg.table import StaticTable

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import IcebergConfig
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import purge
from lakebed.tasks.quarantine.recipes import RecipeRebuilder
from lakebed.tasks.quarantine.restore import restore
from lakebed.tasks.retention.identity import LakeState, digested
from lakebed.tasks.retention.plan import Plan, PlannedTable
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import Recipe
from lakebed.tasks.retention.recipes.reader import TableReader
from lakebed.tasks.retention.recipes.refs import observe
from lakebed.tasks.retention.recipes.synthesis import synthesise
from tests.iceberg_tables import folder_table
from tests.tasks.quarantine.keys import KEY, KEYS
from tests.tasks.quarantine.lakes import PARENT, parent_rows, snapshot

ICE = "ice"


def write_lake(root):
    """The parent of 100 rows, and an Iceberg table of two appends, with a branch and a tag, that has 60 of them."""
    root.mkdir(parents=True)
    pq.write_table(parent_rows(), root / f"{PARENT}.parquet")
    folder_table(root / ICE, parent_rows().slice(0, 30), parent_rows().slice(30, 30), branch="audit")
    return root


def outcome_of(lake, rows_folder, name=ICE, parent=PARENT):
    context = RecipeContext(lake, rows_folder, KEY)
    refs = [TableReader(lake, observe(lake, one)).describe() for one in (name, parent)]
    return synthesise(context, refs[0], refs[1:])


def iceberg_plan(lake, rows_folder, name=ICE, parent=PARENT):
    outcome = outcome_of(lake, rows_folder, name, parent)
    assert outcome.recipe is not None, outcome.refusal
    return plan_of(lake, outcome.recipe)


def _own(state, ref):
    """The table with its data files alone, as an inventory has it."""
    whole, data = state.identity(ref.name), {file.path for file in ref.files}
    return whole.model_copy(update={"files": tuple(file for file in whole.files if file.path in data)})


def plan_of(lake, recipe: Recipe) -> Plan:
    state, child = LakeState.of(lake), recipe.child
    identities = [state.again(_own(state, child), is_going=True)]
    identities += [_own(state, part.parent) for part in recipe.parts]
    identities = digested(state.root, identities)
    facts = {"n_rows": child.n_rows, "n_bytes": child.n_bytes, "n_accesses": 0.0, "why": ""}
    gone = PlannedTable(
        name=child.name,
        decision="delete",
        reason="rebuilt",
        identity=identities[0],
        parents=tuple(part.parent.name for part in recipe.parts),
        recipe=recipe.model_dump(mode="json"),
        original_hash=recipe.digest.rows,
        **facts,
    )
    kept = [
        PlannedTable(name=one.name, decision="keep", reason="parent", identity=one, **facts) for one in identities[1:]
    ]
    return Plan(
        lake=lake,
        lake_identity=state.listing_identity,
        artifacts={},
        config_digest="",
        currency="EUR",
        prices_date="2026-11-01",
        tables=(gone, *kept),
    ).sealed("2026-11-26T00:00:00+00:00")


class IceCase:
    """The lake, its plan, and the verbs on it with real recipes."""

    def __init__(self, root, rows_folder, lake=None):
        self.root, self.rows_folder = root, str(rows_folder)
        self.lake = lake or LakeConfig(root=str(root))
        self.config = QuarantineConfig(grace_days=0)
        self.plan = iceberg_plan(self.lake, self.rows_folder)
        self.before = self.snapshot()

    def snapshot(self):
        return snapshot(Storage.at(self.lake.root))

    def hold(self, verb):
        return Quarantine.hold(self.lake.root, self.config, verb)

    def apply(self, named=()):
        with self.hold("apply") as quarantine:
            return apply_plan(quarantine, self.plan, RecipeRebuilder(KEYS, self.rows_folder), named)

    def restore(self, beside=""):
        with self.hold("restore") as quarantine:
            return restore(quarantine, [ICE] if beside else None, RecipeRebuilder(KEYS), beside)

    def purge(self):
        with self.hold("purge") as quarantine:
            return purge(quarantine, [ICE], RecipeRebuilder(KEYS))

    def phases(self):
        return {state.table: state.phase for state in Quarantine.look(self.lake.root, self.config).live()}


class CatalogCase(IceCase):
    """The same with the Iceberg table in a catalog, as `sales.ice`; that is a SQLite file if nothing else is said."""

    def __init__(self, base, table=("sales", "ice"), **properties):
        self.table = table
        root = base / "lake"
        root.mkdir(parents=True)
        pq.write_table(parent_rows(), root / f"{PARENT}.parquet")
        properties = properties or {"type": "sql", "uri": f"sqlite:///{base}/catalog.db"}
        properties["warehouse"] = f"file://{root}"
        self.catalog = load_catalog("prod", **properties)
        self.catalog.create_namespace("sales")
        made = self.catalog.create_table(self.table, parent_rows().schema, location=f"file://{root}/{ICE}")
        for start in (0, 30):
            made.append(parent_rows().slice(start, 30))
        lake = LakeConfig(root=str(root), iceberg={"prod": IcebergConfig(properties=properties)})
        super().__init__(root, base / "rows", lake)

    def identifiers(self):
        """The tables that the catalog lists in its namespaces and in those right below them."""
        spaces = [*self.catalog.list_namespaces()]
        spaces += [one for space in spaces for one in self.catalog.list_namespaces(space) if one not in spaces]
        return {one for space in spaces for one in self.catalog.list_tables(space)}

    def names(self):
        """The same, joined by dots."""
        return sorted(map(".".join, self.identifiers()))

    def seen(self):
        """What pyiceberg sees of the table under its own name."""
        return seen_of(self.catalog.load_table(self.table))


def seen(folder):
    """What pyiceberg sees: rows of each snapshot, references, properties, schema, partition spec, id."""
    (metadata,) = (folder / "metadata").glob("v*.metadata.json")
    return seen_of(StaticTable.from_metadata(str(metadata)))


def seen_of(table):
    found = table.metadata
    rows = {
        one.snapshot_id: table.scan(snapshot_id=one.snapshot_id).to_arrow().sort_by("id") for one in found.snapshots
    }
    return rows, found.refs, table.properties, table.schema(), table.spec(), table.sort_order(), found.table_uuid


def copied(folder, other):
    """A copy of a table, whose metadata names the files of the first."""
    shutil.copytree(folder, other)
    return other
