"""The chain on a lake of a folder and a real PostgreSQL database."""

import json
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.artifacts import newest_refs
from lakebed.connectors.spark.jars import POSTGRESQL_JARS
from lakebed.tasks.runtime.artifacts import ArtifactStore
from tests.flows.processes import lakebed
from tests.services import shop
from tests.services.jars import require_jar_set
from tests.services.postgresql import postgresql_server

WRONG = "not it"

pytestmark = [pytest.mark.flow, pytest.mark.heavy]


@pytest.fixture(scope="module")
def server():
    require_jar_set(POSTGRESQL_JARS)
    with postgresql_server() as running:
        shop.fill(running)
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sources")


def toml(folder, server, *, root=True, events=None):
    lines = [f'[lake]\nroot = "{folder / "lake"}"' if root else "[lake]"]
    for name, values in shop.settings(server).items():
        lines += [f"[lake.databases.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    if events is not None:
        events.mkdir()
        lines += ["[spark.conf]", '"spark.eventLog.enabled" = "true"', f'"spark.eventLog.dir" = "{events}"']
        lines += ['"spark.eventLog.compress" = "false"']
    path = folder / f"{'both' if root else 'alone'}.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(folder, config, *more, artifacts="artifacts", password=shop.SECRET):
    arguments = ("run", config, "--artifacts", folder / artifacts, "--json", *more)
    return lakebed(*arguments, folder=folder, SHOP_PASSWORD=password)


def edges(root):
    store, ref = ArtifactStore(str(root)), newest_ref(root, "containment")
    names = ["child", "parent", "certificate"]
    found = {}
    for row in store.read(ref, "edges", names).to_pylist():
        facts = json.loads(row["certificate"])
        kept = ("n_child_rows", "n_child_distinct", "n_parent_rows", "n_parent_distinct", "child_rows_hash")
        found[row["child"], row["parent"]] = {name: facts.get(name) for name in kept}
    return found


def newest_ref(root, stage):
    return newest_refs(str(root), stage)[1][stage]


def read(root, stage, table):
    return ArtifactStore(str(root)).read(newest_ref(root, stage), table).to_pylist()


class Transfers(threading.Thread):
    """Moves money between two tables, in transactions, until it is told to stop."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.stopped, self.n = server, threading.Event(), 0

    def run(self):
        while not self.stopped.is_set():
            self.n += self.stopped.wait(0.05) is False
            self.server.sql(
                f"BEGIN; UPDATE bank_1 SET balance = balance - 1 WHERE id % 70 = {self.n % 70};"  # noqa: S608
                f"UPDATE bank_2 SET balance = balance + 1 WHERE id % 70 = {self.n % 70}; COMMIT",
                shop.DATABASE,
            )


@pytest.fixture(scope="module")
def finished(server, folder):
    """A run to retention on both, with a table of the folder that holds a table of the database, and the reverse."""
    lake = folder / "lake"
    (lake / "files").mkdir(parents=True)
    pq.write_table(shop.orders(n_rows=shop.N_ORDERS + 500), lake / "files" / "orders_all.parquet")
    pq.write_table(shop.orders(300, 700), lake / "files" / "orders_some.parquet")
    pq.write_table(shop.everything(), lake / "files" / "everything.parquet")
    config = toml(folder, server, events=folder / "events")
    transfers = Transfers(server)
    transfers.start()
    try:
        answer = run(folder, config, "--to", "retention")
    finally:
        transfers.stopped.set()
        transfers.join()
    assert answer.status == 0, answer.err
    assert transfers.n > 5
    return config, answer


def test_databases_and_folders_are_compared_as_the_same_tables_in_files_are(finished, folder):
    twin = folder / "twin"
    for name, table in shop.tables().items():
        (twin / "shop").mkdir(parents=True, exist_ok=True)
        pq.write_table(table, twin / "shop" / f"{name}.parquet")
    (twin / "files").symlink_to(folder / "lake" / "files")
    pq.write_table(shop.everything(), twin / "shop" / "public.everything.parquet")
    answer = lakebed(
        "run", "--lake", twin, "--artifacts", folder / "twin-artifacts", "--to", "containment", "--json", folder=folder
    )
    assert answer.status == 0, answer.err
    wanted = edges(folder / "twin-artifacts")
    found = edges(folder / "artifacts")
    ours = {pair: facts for pair, facts in found.items() if not any("bank" in name or "days" in name for name in pair)}
    assert ours == wanted
    assert ("shop/archive.orders_early", "shop/sales.orders") in wanted
    assert ("shop/sales.orders", "files/orders_all") in wanted
    assert ("files/orders_some", "shop/archive.orders_copy") in wanted
    assert {("shop/public.everything", "files/everything"), ("files/everything", "shop/public.everything")} <= set(
        wanted
    )


def test_rows_are_of_one_snapshot_though_the_tables_change_meanwhile(finished, folder):
    root = folder / "artifacts"
    tables = {row["name"]: row for row in read(root, "inventory", "tables")}
    ref = newest_ref(root, "inventory")
    staged = {}
    for row in read(root, "inventory", "files"):
        staged.setdefault(row["table_id"], []).append(root / ref.stage / ref.key / (row["staged_path"] or "-"))
    sums = []
    for name in ("shop/public.bank_1", "shop/public.bank_2"):
        paths = staged[tables[name]["table_id"]]
        assert len(paths) > 2, "it should be read by several tasks"
        rows = pa.concat_tables([pq.read_table(path) for path in paths])
        assert rows.num_rows == shop.N_ACCOUNTS == len(rows["id"].unique())
        sums.append(sum(rows["balance"].to_pylist()))
    assert sums[0] < shop.N_ACCOUNTS * shop.BALANCE < sums[1], "money should have moved before the snapshot"
    assert sum(sums) == 2 * shop.N_ACCOUNTS * shop.BALANCE
    assert tables["shop/public.days"]["n_rows"] == 100
    assert "shop/public.days_1" not in tables


def test_what_cannot_be_compared_is_listed_with_the_reason(finished, folder):
    found = {
        row["name"]: (row["format"], row["reason"]) for row in read(folder / "artifacts", "inventory", "unreadable")
    }
    assert found["shop/public.places"] == ("postgresql", "a column has a type that is not compared: at is point")
    assert found["shop/public.hidden"] == ("postgresql", "no right to read it")
    assert found["shop/public.cheap"][0] == "view"
    assert "until" in found["shop/public.dates"][1]
    assert "infinity" in found["shop/public.dates"][1]
    assert set(found) == {"shop/public.places", "shop/public.hidden", "shop/public.cheap", "shop/public.dates"}


def test_no_record_log_or_artifact_holds_the_password(finished, folder):
    _, answer = finished
    secret = shop.SECRET.encode()
    assert shop.SECRET not in answer.out + answer.err
    places = [path for name in ("artifacts", "events") for path in (folder / name).rglob("*") if path.is_file()]
    assert any("events" in path.parts and path.stat().st_size > 1000 for path in places)
    assert [path for path in places if secret in path.read_bytes()] == []


def test_a_databases_table_is_reported_and_never_deleted(finished, folder):
    rows = {row["name"]: row for row in read(folder / "artifacts", "retention", "decisions")}
    early = rows["shop/archive.orders_early"]
    assert (early["decision"], early["reason"]) == ("keep", "database_table")
    assert "report only: not a file table" in early["why"]
    assert "DROP TABLE archive.orders_early;" in early["why"]
    assert "DROP" in rows["shop/archive.orders_copy"]["why"]
    assert all(row["decision"] == "keep" for name, row in rows.items() if name.startswith("shop/"))
    some = rows["files/orders_some"]
    assert (some["decision"], some["parents"]) == ("delete", ["files/orders_all"]), "not from a table of the database"
    plan = lakebed("plan", "--artifacts", folder / "artifacts", "--json", folder=folder)
    assert plan.status == 0, plan.err


@pytest.fixture(scope="module")
def changed(finished, folder, server):
    """A second run, after a table got another row for one of its own; the bank has changed since the first one too."""
    server.sql("DELETE FROM sales.vip WHERE customer = 7; INSERT INTO sales.vip VALUES (7, 'other')", shop.DATABASE)
    answer = run(folder, finished[0], "--to", "containment")
    assert answer.status == 0, answer.err
    return answer


def test_only_tables_that_changed_are_read_again(changed, folder):
    [inventory] = [one for one in changed.json["stages"] if one["stage"] == "inventory"]
    facts = inventory["changes"]
    assert (facts["tables_changed"], facts["tables_new"], facts["tables_dropped"]) == (3, 0, 0)
    assert facts["tables_reused"] == len(read(folder / "artifacts", "inventory", "tables")) - 3
    assert ("shop/sales.vip", "shop/sales.customers") not in edges(folder / "artifacts")
    assert ("shop/archive.orders_early", "shop/sales.orders") in edges(folder / "artifacts")


def test_an_unchanged_database_needs_neither_spark_nor_prefect(changed, finished, folder, server):
    server.sql("INSERT INTO hidden VALUES (1)", shop.DATABASE)
    again = run(folder, finished[0], "--to", "containment")
    assert again.reused == {"inventory": True, "containment": True}, again.err
    assert (again.json["session_start_s"], again.json["prefect_start_s"]) == (0, 0)


@pytest.mark.long
def test_what_was_taken_over_is_what_a_full_run_makes(changed, finished, folder):
    full = run(folder, finished[0], "--to", "containment", "--full", artifacts="full")
    assert {stage: digest for stage, (_, digest) in full.digests.items()} == {
        stage: digest for stage, (_, digest) in changed.digests.items()
    }


@pytest.mark.long
def test_a_lake_may_be_a_database_alone(finished, folder, server):
    answer = run(folder, toml(folder, server, root=False), "--to", "index", artifacts="alone")
    assert answer.status == 0, answer.err
    found = edges(folder / "alone")
    assert ("shop/archive.orders_early", "shop/sales.orders") in found
    assert all(child.startswith("shop/") and parent.startswith("shop/") for child, parent in found)
    alike = lakebed("similar", "shop/sales.orders", "--artifacts", folder / "alone", "--json", folder=folder)
    assert alike.status == 0, alike.err
    assert "shop/archive.orders_copy" in alike.out


@pytest.mark.long
def test_a_wrong_password_costs_the_database_alone(finished, folder, server):
    config, _ = finished
    answer = run(folder, config, "--to", "inventory", artifacts="wrong", password=WRONG)
    assert answer.status == 0, answer.err
    [bad] = read(folder / "wrong", "inventory", "unreadable")
    assert (bad["name"], bad["format"]) == ("shop", "postgresql")
    assert "password authentication failed" in bad["reason"]
    assert WRONG not in answer.out + answer.err + bad["reason"]
    assert {row["name"] for row in read(folder / "wrong", "inventory", "tables")} == {
        "files/orders_all", "files/orders_some", "files/everything",
    }  # fmt: skip
    strict = run(folder, config, "--to", "inventory", "--strict", artifacts="strict", password=WRONG)
    assert strict.status == 1, strict.err
    assert "password authentication failed" in strict.err + strict.out
