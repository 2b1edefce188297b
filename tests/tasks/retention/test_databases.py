"""Tables of databases in a plan: reported with what their owner may do, never deleted, never relied upon."""

from functools import partial

import pyarrow as pa

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention.build import ROWS_FOLDER, decide
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.stage import RETENTION
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs
from tests.tasks.retention.lakes import BASE, TABLES, contained_lake, make_here


class Pretending:
    """A store in which some tables of the inventory are a database's, or of another format."""

    def __init__(self, store, names, format_):
        self._store, self._names, self._format = store, names, format_

    def __getattr__(self, name):
        return getattr(self._store, name)

    def read(self, ref, table, columns=None, below=None):
        rows = self._store.read(ref, table, columns, below)
        if (ref.stage, table) != ("inventory", "tables") or columns is not None:
            return rows
        changed = [
            {**row, "format": self._format, "path": f"TABLE {row['name'].replace('/', '.')}"}
            if row["name"] in self._names
            else row
            for row in rows.to_pylist()
        ]
        return pa.Table.from_pylist(changed, schema=rows.schema)


def decisions(folder, names, tables=None, format_="postgresql"):
    workspace, inventory, containment = contained_lake(folder, tables)
    # of files only the archive is left to rebuild from, which ranks lower
    config = RetentionConfig(allow_lesser_keeper=True)
    stage = RETENTION.open(Inputs.of(workspace, inventory, containment, config))
    stage.store = Pretending(stage.store, names, format_)
    context = RecipeContext.of(workspace, f"{stage.folder}/{ROWS_FOLDER}", ContainmentConfig(), config.recipes)
    ref = decide(stage, config, context, partial(make_here, context, ()))
    return {row["name"]: row for row in ArtifactStore(workspace.artifacts).read(ref, "decisions").to_pylist()}


def test_they_are_reported_and_nothing_is_rebuilt_from_them(tmp_path):
    own = {"sales/orders", "sales/orders_copy", "sales/cheap"}
    found = decisions(tmp_path, own)
    file = "archive/a_longer_path/orders"
    for name in own:
        assert (found[name]["decision"], found[name]["reason"]) == ("keep", "database_table")
        statement = f"its owner may run: DROP TABLE {name.replace('/', '.')};"
        more = {"sales/orders": "", "sales/orders_copy": " and 1 more", "sales/cheap": " and 2 more"}[name]
        assert found[name]["why"] == f"report only: not a file table; it lies in {file}{more}, {statement}"
    assert (found[file]["decision"], found[file]["reason"]) == ("keep", "database_table")
    assert found[file]["needed_by"]
    for name in ("sales/ids", "hr/ids"):
        assert found[name]["decision"] == "delete"
        assert not own.intersection(found[name]["parents"])


def test_tables_of_hudi_stay_and_nothing_is_rebuilt_from_them(tmp_path):
    own = {"sales/orders", "sales/orders_copy"}
    found = decisions(tmp_path, own, format_="hudi")
    assert {(found[name]["decision"], found[name]["reason"]) for name in own} == {("keep", "other_format")}
    assert all("DROP" not in found[name]["why"] for name in own)
    assert not any(own.intersection(row["parents"]) for row in found.values())


def test_of_equal_tables_of_databases_one_is_never_named(tmp_path):
    names = ["one/orders", "two/orders", "three/orders_copy"]
    found = decisions(tmp_path, set(names), {name: BASE for name in names} | {"alone": TABLES["alone"]})
    named = [name for name in names if "DROP" in found[name]["why"]]
    assert len(named) == 2
    [stays] = set(names) - set(named)
    assert all(stays in found[name]["why"] for name in named)


def test_a_file_that_lies_in_a_database_alone_is_kept_and_told_why(tmp_path):
    found = decisions(tmp_path, {"sales/orders"}, {name: TABLES[name] for name in ("sales/orders", "sales/cheap")})
    assert (found["sales/cheap"]["decision"], found["sales/cheap"]["reason"]) == ("keep", "database_table")
    assert "nothing is rebuilt from it" in found["sales/cheap"]["why"]
