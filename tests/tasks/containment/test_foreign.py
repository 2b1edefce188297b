"""Small lakes of other people's files, one folder a kind: their pairs are these and no others."""

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace

FAR = [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)]
DAYS = [dt.date(1, 1, 1), dt.date(9999, 12, 31)]
EXPORTS = {
    "floats": (pa.array([1.0, 2.5]), ["1.0", "2.5"]),
    "small": (pa.array([1e-7, 2.5]), ["1e-07", "2.5"]),
    "java": (pa.array([1e-7, 1e10]), ["1.0E-7", "1.0E10"]),
    "money": (pa.array([Decimal("1.50"), Decimal("2.25")], pa.decimal128(10, 2)), ["1.50", "2.25"]),
    "big": (pa.array([2**64 - 1, 3], pa.uint64()), ["18446744073709551615", "3"]),
    "bools": (pa.array([True, False]), ["True", "False"]),
    "days": (pa.array(DAYS), ["0001-01-01", "9999-12-31"]),
    "far": (pa.array(FAR, pa.timestamp("us")), ["0001-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999"]),
    "trimmed": (pa.array([FAR[0], dt.datetime(2024, 1, 2, 3, 4, 5, 500000)]),
                ["0001-01-01 00:00:00", "2024-01-02 03:04:05.5"]),
    "zone": (pa.array([FAR[0], dt.datetime(2024, 1, 2, 3)], pa.timestamp("us", "UTC")),
             ["0001-01-01 00:00:00+00:00", "2024-01-02 03:00:00+00:00"]),
    "codes": (pa.array(["00501", "10001"]), ["00501", "10001"]),
}  # fmt: skip


def parquet(folder, name, table, **options):
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / f"{name}.parquet", **options)


def write_exports(lake):
    for name, (values, texts) in EXPORTS.items():
        folder = lake / "export" / name
        parquet(folder, "p", pa.table({"id": [1, 2], name: values}))
        rows = zip((1, 2), texts, strict=True)
        (folder / "c.csv").write_text(f"id,{name}\n" + "".join(f"{number},{text}\n" for number, text in rows))
    rows = [{"id": number, "days": str(day)} for number, day in enumerate(DAYS, 1)]
    (lake / "export" / "days" / "j.json").write_text(json.dumps(rows, indent=1))


def write_times(lake):
    far = pa.table({"id": [7, 8], "until": pa.array(FAR, pa.timestamp("us"))})
    parquet(lake / "times", "wide", far)
    parquet(lake / "times", "int96", far, use_deprecated_int96_timestamps=True)
    wrapped = pa.array([far["until"][0].value * 1000 % 2**63, far["until"][1].value * 1000 % 2**63], pa.timestamp("ns"))
    parquet(lake / "times", "other", pa.table({"id": [7, 8], "until": wrapped}))


def write_delta_log(folder, actions):
    log = folder / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020d}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))
    return log


def write_delta(lake):
    table = pa.table({"d": pa.array(DAYS), "f": pa.array([3.4, 0.1], pa.float32())})
    folder = lake / "delta" / "t"
    parquet(folder, "a", table)
    changes = {"d": ("date", "timestamp_ntz"), "f": ("float", "double")}
    fields = [
        {"name": name, "type": new, "nullable": True,
         "metadata": {"delta.typeChanges": [{"fromType": old, "toType": new, "tableVersion": 0}]}}
        for name, (old, new) in changes.items()
    ]  # fmt: skip
    features = ["timestampNtz", "typeWidening"]
    stats = {"numRecords": 2, "minValues": {"f": 0.1}, "maxValues": {"f": 3.4}, "nullCount": {"f": 0, "d": 0}}
    log = write_delta_log(
        folder,
        [
            {"commitInfo": {"timestamp": 1, "operation": "WRITE"}, "later": ["a"]},
            {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features,
                          "writerFeatures": features}},
            {"metaData": {
                "id": "00000000-0000-0000-0000-000000000001", "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps({"type": "struct", "fields": fields}), "partitionColumns": [],
                "configuration": {}, "createdTime": 1,
            }},
            {"add": {"path": "a.parquet", "partitionValues": {}, "size": (folder / "a.parquet").stat().st_size,
                     "modificationTime": 1, "dataChange": True, "stats": json.dumps(stats)}},
        ],
    )  # fmt: skip
    (log / "_last_checkpoint").write_text('{"version":40,"size":5}')
    (log / ".tmp").mkdir()
    (log / ".tmp" / f"{1:020d}.json").write_text("{}")
    days = pa.array([dt.datetime(day.year, day.month, day.day) for day in DAYS], pa.timestamp("us"))
    parquet(lake / "delta", "p", pa.table({"d": days, "f": table["f"].cast(pa.float64())}))


def write_folders(lake):
    whole = pa.table({"place": ["a", "b", "c"], "n": [11, 12, 13]})
    parquet(lake / "folders", "p", whole)
    for folder, names in {
        "dask": ("part.0", "part.1"),
        "duck": ("data_0", "data_1"),
        "polars": ("00000000", "00000001"),
    }.items():
        parquet(lake / "folders" / folder, names[0], whole.slice(0, 2))
        parquet(lake / "folders" / folder, names[1], whole.slice(2).select(["n", "place"]))
    for month in ("01", "02"):
        parquet(lake / "folders" / "hive" / f"month={month}", "part-0", pa.table({"v": [int(month) + 20]}))
    parquet(lake / "folders", "months", pa.table({"v": [21, 22], "month": [1, 2]}))
    text = lake / "folders" / "text"
    text.mkdir()
    for number, data in enumerate(("place,n\na,11\n", "", "n,place\n12,b\n13,c\n")):
        (text / f"part-{number}.csv").write_text(data)


@pytest.fixture(scope="module")
def found(tmp_path_factory, spark_config):
    """Pairs within a folder of the lake, by the folder; and what could not be read."""
    root = tmp_path_factory.mktemp("foreign")
    lake = root / "lake"
    for write in (write_exports, write_times, write_delta, write_folders):
        write(lake)
    (lake / "bad").mkdir()
    (lake / "bad" / "null.json").write_text("null\n")
    (lake / "bad" / "deep.json").write_text('{"v":' + "[" * 500 + "]" * 500 + "}\n")
    space = Workspace(lake=LakeConfig(root=str(lake)), artifacts=str(root / "artifacts"), spark=spark_config)
    inventory = run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))
    containment = run_stage(CONTAINMENT, Inputs.of(space, inventory, ContainmentConfig()))
    store = ArtifactStore(space.artifacts)
    pairs = {}
    for row in store.read(containment, "edges").to_pylist():
        ends = [row[end].rpartition("/") for end in ("child", "parent")]
        if ends[0][0] == ends[1][0]:
            pairs.setdefault(ends[0][0], set()).add((ends[0][2], ends[1][2]))
    return pairs, {row["name"]: row["reason"] for row in store.read(inventory, "unreadable").to_pylist()}


def all_pairs(*names):
    return {(one, other) for one in names for other in names if one != other}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_meets_its_original(found, name):
    assert found[0][f"export/{name}"] == all_pairs("c", "p", *(["j"] if name == "days" else []))


def test_far_times_are_what_they_are(found):
    assert found[0]["times"] == all_pairs("int96", "wide")


def test_a_delta_table_of_wider_types_with_a_stale_hint_and_an_aborted_commit(found):
    assert found[0]["delta"] == all_pairs("t", "p")


def test_folders_of_parts_are_one_table(found):
    same = all_pairs("p", "dask", "duck", "polars", "text")
    assert found[0]["folders"] == same | all_pairs("hive", "months")


def test_files_that_cannot_be_read_have_their_reason(found):
    assert set(found[1]) == {"bad/null", "bad/deep"}
    assert "line 1: null instead of an object" in found[1]["bad/null"]
    assert "nested too deeply: more than 200 levels" in found[1]["bad/deep"]
