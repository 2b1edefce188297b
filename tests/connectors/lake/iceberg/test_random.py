"""Seeded tables: pyiceberg's operations and hand-written deletes of every kind, against a model of the rows."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.connectors.lake.iceberg.reading import facts_of, rows_of
from tests.iceberg_tables import HandMade, column

Row = dict[str, Any]


def _sorted(rows: list[Row]) -> list[str]:
    return sorted(str(sorted(row.items())) for row in rows)


def _written_by_hand(root: Path, seed: int) -> list[Row]:
    """A table with appends and deletes in random order; the rows that are left."""
    rng = random.Random(seed)
    version = rng.choice([2, 3])
    spec = [{"source-id": 3, "field-id": 1000, "name": "p", "transform": "identity"}] if rng.random() < 0.5 else []
    fields = [column(1, "id", "long"), column(2, "name", "string"), column(3, "p", "int")]
    table = HandMade(root / "t", fields, version, "s3://gone/t", spec, {"p": "int"} if spec else {})
    files: list[tuple[Row, list[Row | None]]] = []
    for _ in range(rng.randint(1, 9)):
        p = rng.randrange(2)
        partition = {"p": p} if spec else None
        kind = rng.choice(["append", "append", "equality", "positions", "both"])
        if kind in ("append", "both"):
            rows = [{"id": rng.choice([None, *range(9)]), "name": rng.choice("ab"), "p": p} for _ in range(12)]
            schema = pa.schema([("id", pa.int64()), ("name", pa.string()), ("p", pa.int32())])
            new = (table.data(pa.Table.from_pylist(rows, schema), partition), list(rows))
        entries = []
        if kind in ("equality", "both"):
            keys = rng.choice([["id"], ["name", "id"]])
            gone = [{"id": rng.choice([None, *range(9)]), "name": rng.choice("ab")} for _ in range(3)]
            made = pa.table({key: pa.array([one[key] for one in gone], schema_of(key)) for key in keys})
            entries.append(table.equality(made, partition))
            for entry, left in files:
                if not spec or entry["data_file"]["partition"] == partition:
                    for place, row in enumerate(left):
                        if row and any(all(row[key] == one[key] for key in keys) for one in gone):
                            left[place] = None
        if kind == "positions" and files:
            entry, left = rng.choice(files)
            places = rng.sample(range(12), 3)
            entries.append(_positions(table, entry, places))
            for place in places:
                left[place] = None
        if kind in ("append", "both"):
            files.append(new)
            entries.append(new[0])
        table.commit(*entries)
        for one, _ in files:
            if one.pop("_is_new", False):
                one["_manifest"] = table.manifests[-1]["manifest_path"]
    return [row for _, left in files for row in left if row]


def _positions(table: HandMade, data: Row, places: list[int]) -> Row:
    """A delete of rows by their places; a file has one vector, which says all that earlier ones said."""
    partition = data["data_file"]["partition"]
    if table.version < 3:
        return table.positions(data, places, partition)
    data.setdefault("_gone", set()).update(places)
    table.manifests = [one for one in table.manifests if one["manifest_path"] != data.get("_manifest")]
    made = table.vector(data, sorted(data["_gone"]))
    made["data_file"]["partition"], data["_is_new"] = partition, True
    return made


def schema_of(key: str) -> pa.DataType:
    return {"id": pa.int64(), "name": pa.string()}[key]


@pytest.mark.parametrize("seed", range(40))
def test_deletes_of_every_kind_leave_the_rows_of_the_model(tmp_path: Path, seed: int) -> None:
    left = _written_by_hand(tmp_path, seed)
    assert _sorted(rows_of(tmp_path, "t")) == _sorted(left)
    assert _sorted(rows_of(tmp_path, "t", by_groups=True)) == _sorted(left)


def _written_by_pyiceberg(root: Path, seed: int, n_steps: int) -> list[Row]:
    """A table of a real catalog after random operations; its rows by name."""
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.expressions import EqualTo
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import LongType, StringType

    rng = random.Random(seed)
    catalog = SqlCatalog("made", uri=f"sqlite:///{root}/catalog.db", warehouse=f"file://{root}/lake")
    catalog.create_namespace("ns")
    schema = pa.schema([("id", pa.int32()), ("name", pa.string()), ("x", pa.float32())])
    table = catalog.create_table("ns.t", schema=schema)
    if rng.random() < 0.5:
        with table.update_spec() as update:
            update.add_field("id", IdentityTransform())
    rows: list[Row] = []
    number = 0
    for _ in range(n_steps):
        kind = rng.choice(["append", "append", "delete", "overwrite", "rename", "add", "drop", "promote"])
        arrow = table.schema().as_arrow()
        fresh = [{name: _value(arrow.field(name).type, rng) for name in arrow.names} for _ in range(5)]
        # an operation that deletes nothing is told by a warning
        wanted = rng.choice(rows)["id"] if rows else None
        if kind == "append":
            table.append(pa.Table.from_pylist(fresh, arrow))
            rows += fresh
        elif kind in ("delete", "overwrite") and wanted is not None:
            rows = [row for row in rows if row["id"] != wanted]
            if kind == "delete":
                table.delete(EqualTo("id", wanted))
            else:
                table.overwrite(pa.Table.from_pylist(fresh, arrow), EqualTo("id", wanted))
                rows += fresh
        elif kind == "rename":
            number += 1
            old, new = rng.choice([name for name in arrow.names if name != "id"] or ["id"]), f"c{number}"
            if old != "id":
                with table.update_schema() as update:
                    update.rename_column(old, new)
                rows = [{new if name == old else name: value for name, value in row.items()} for row in rows]
        elif kind == "add":
            number += 1
            # now and then the name of a column that was dropped
            name = next((one for one in ("name", "x") if one not in arrow.names), f"c{number}")
            with table.update_schema() as update:
                update.add_column(name, rng.choice([LongType(), StringType()]))
            rows = [{**row, name: None} for row in rows]
        elif kind == "drop" and len(arrow.names) > 2:
            name = rng.choice([one for one in arrow.names if one != "id"])
            with table.update_schema() as update:
                update.delete_column(name)
            rows = [{key: value for key, value in row.items() if key != name} for row in rows]
        elif kind == "promote" and arrow.field("id").type == pa.int32():
            with table.update_schema() as update:
                update.update_column("id", LongType())
    return rows


def _value(type_: pa.DataType, rng: random.Random) -> Any:
    if pa.types.is_integer(type_):
        return rng.randrange(4)
    return rng.choice([None, 0.5, -1.25]) if pa.types.is_floating(type_) else rng.choice([None, "a", "b", "ä" * 20])


def _check_pyiceberg(root: Path, seed: int, n_steps: int) -> None:
    """The rows that we read are those of the model, and those that pyiceberg reads."""
    from pyiceberg.catalog.sql import SqlCatalog

    rows = _written_by_pyiceberg(root, seed, n_steps)
    found = _sorted(rows_of(root / "lake", "ns/t"))
    assert found == _sorted(rows)
    catalog = SqlCatalog("made", uri=f"sqlite:///{root}/catalog.db", warehouse=f"file://{root}/lake")
    assert found == _sorted(catalog.load_table("ns.t").scan().to_arrow().to_pylist())
    assert all(leaf.token for leaf in facts_of(root / "lake", "ns/t").leaves)


@pytest.mark.parametrize("seed", range(8))
def test_what_pyiceberg_does_leaves_the_rows_of_the_model(tmp_path: Path, seed: int) -> None:
    _check_pyiceberg(tmp_path, seed, 8)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_two_hundred_tables_of_pyiceberg(tmp_path: Path, seed: int) -> None:
    _check_pyiceberg(tmp_path, seed, 14)
