"""What is rebuilt is written in its own format, so that reading it gives the same strict digest."""

import datetime as dt
import gc
import gzip
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.write import parquet_bytes
from lakebed.connectors.storage import Storage
from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions, JsonLines, ParquetParts, TextFile
from lakebed.tasks.retention.recipes.config import RecipeConfig
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import Outcome, TableRef
from lakebed.tasks.retention.recipes.rebuild import rebuild
from lakebed.tasks.retention.recipes.refs import observe
from lakebed.tasks.retention.recipes.synthesis import synthesise
from lakebed.tasks.retention.recipes.write import write_rebuilt, write_table_as
from tests.tasks.retention.recipes.lakes import SmallLake

BASE = pa.table(
    {"id": pa.array(range(120)), "kind": [f"k{n % 3}" for n in range(120)], "x": [n + 0.5 for n in range(120)]}
)


def test_each_table_of_the_sample_lake_is_written_as_it_was(
    sample_context: RecipeContext, sample_outcomes: list[Outcome], tmp_path: Path
) -> None:
    recipes = {one.recipe.child.name: one.recipe for one in sample_outcomes if one.recipe}
    assert len(recipes) > 40
    for number, recipe in enumerate(list(recipes.values())[::3]):
        written = write_rebuilt(sample_context, recipe, str(tmp_path / str(number)))
        assert written and all((tmp_path / str(number) / path).is_file() for path in written)


@pytest.mark.parametrize(
    "layout",
    [None, ParquetParts(3), HivePartitions(("kind",)), DeltaTable(2), DeltaTable(partition_by=("kind",)),
     CsvFile("\t", ending=".tsv"), CsvFile(";", has_header=False), CsvFile(ending=".csv.gz"), JsonLines()],
)  # fmt: skip
def test_files_get_their_own_paths_and_rows(small: SmallLake, tmp_path: Path, layout: object) -> None:
    config = {"header": "no"} if layout == CsvFile(";", has_header=False) else {}
    small = SmallLake.at(tmp_path, text=config)
    child = BASE.slice(20, 60)
    names = [f"c{n}" for n in range(1, 4)] if config else BASE.column_names
    small.put("folder/child", child.rename_columns(names), layout)  # type: ignore[arg-type]
    small.put("parent", BASE.rename_columns(names))
    recipe = small.recipe("folder/child", "parent")
    written = write_rebuilt(small.context, recipe, str(tmp_path / "out"))
    if recipe.child.format != "delta":
        assert written == tuple(file.path for file in recipe.child.files)
    if recipe.child.format == "parquet":
        for path in written:
            found, original = (pq.read_table(root / path, partitioning=None) for root in (tmp_path / "out", small.root))
            assert found.equals(original)


KEYED = pa.table(
    {"at": [20240101 + n % 3 for n in range(60)], "id": pa.array(range(60)), "x": [f"x{n}" for n in range(60)]}
)


def _put_keyed(small: SmallLake, table: pa.Table) -> None:
    """A table whose files hold the column of their paths, too, as Polars and Dask write them; and its parent."""
    small.put("parent", KEYED)
    for at in (20240101, 20240102, 20240103):
        folder = small.root / "child" / f"at={at}"
        folder.mkdir(parents=True)
        pq.write_table(table.filter(pc.equal(KEYED["at"], at)), folder / "00000000.parquet")


@pytest.mark.parametrize("type_", [pa.int64(), pa.string()])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_files_that_hold_their_partition_column_get_it_again(
    tmp_path: Path, type_: pa.DataType, is_streamed: bool
) -> None:
    small = SmallLake.at(tmp_path, RecipeConfig(max_table_bytes=1024) if is_streamed else None)
    _put_keyed(small, KEYED.set_column(0, "at", KEYED["at"].cast(type_)))
    written = write_rebuilt(small.context, small.recipe("child", "parent"), str(tmp_path / "out"))
    assert len(written) == 3
    for path in written:
        found, original = (pq.read_table(root / path, partitioning=None) for root in (tmp_path / "out", small.root))
        assert found.equals(original)


@pytest.mark.parametrize("own", ["020240101", None, "20240102"])
def test_files_with_other_values_than_their_paths_are_not_rebuilt(tmp_path: Path, own: str | None) -> None:
    small = SmallLake.at(tmp_path)
    texts = ["20240101" if own != "020240101" and n else own for n in range(60)]
    _put_keyed(small, KEYED.set_column(0, "at", pa.array(texts, pa.string())))
    refusal = small.solve("child", "parent").refusal
    assert refusal is not None and "other values of a partition column than its path" in refusal.reason


def test_text_comes_back_byte_for_byte_where_its_style_is_plain(small: SmallLake, tmp_path: Path) -> None:
    text = "id;kind;x\r\n" + "".join(f"{n};k{n % 3};{n + 0.5}\r\n" for n in range(20, 80))
    small.put("child", BASE, TextFile("csv", text, ".csv.gz"))
    small.put("parent", BASE)
    write_rebuilt(small.context, small.recipe("child", "parent"), str(tmp_path / "out"))
    assert gzip.decompress((tmp_path / "out" / "child.csv.gz").read_bytes()) == text.encode()


def test_a_byte_order_mark_and_timestamps_keep_their_form(small: SmallLake, tmp_path: Path) -> None:
    text = "\ufeffat,n\n" + "".join(f"2024-01-{day:02d}T10:00Z,{day}\n" for day in range(1, 29))
    small.put("child", BASE, TextFile("csv", text, ".csv"))
    small.put("parent", pa.table({"at": _instants(), "n": pa.array(range(1, 32))}))
    write_rebuilt(small.context, small.recipe("child", "parent"), str(tmp_path / "out"))
    assert (tmp_path / "out" / "child.csv").read_text() == text


def _instants() -> pa.Array:
    return pa.array([f"2024-01-{day:02d} 10:00:00" for day in range(1, 32)]).cast(pa.timestamp("us"))


def test_json_numbers_stay_as_they_were_written(small: SmallLake, tmp_path: Path) -> None:
    lines = [f'{{"n":{n}.0,"o":{{"s":"{n}.0"}}}}\n' for n in range(9)]
    small.put("child", BASE, TextFile("json", "".join(lines[2:6]), ".jsonl"))
    small.put("parent", BASE, TextFile("json", "".join(lines), ".jsonl"))
    write_rebuilt(small.context, small.recipe("child", "parent"), str(tmp_path / "out"))
    assert (tmp_path / "out" / "child.jsonl").read_text() == "".join(lines[2:6])


def test_nothing_that_lies_there_is_overwritten(small: SmallLake) -> None:
    small.put("child", BASE.slice(0, 50))
    small.put("parent", BASE)
    recipe = small.recipe("child", "parent")
    before = (small.root / "child.parquet").read_bytes()
    with pytest.raises(PlanError, match="something lies where"):
        write_rebuilt(small.context, recipe, str(small.root))
    assert (small.root / "child.parquet").read_bytes() == before


def test_it_can_take_its_old_place_once_that_is_free(small: SmallLake) -> None:
    small.put("child", BASE.slice(0, 50), DeltaTable())
    small.put("parent", BASE)
    recipe = small.recipe("child", "parent")
    (small.root / "child").rename(small.root.parent / "aside")
    write_rebuilt(small.context, recipe, str(small.root))
    assert small.ref("child").n_rows == 50


def test_what_reads_otherwise_is_removed_again(small: SmallLake, tmp_path: Path) -> None:
    small.put("child", BASE.slice(0, 50))
    small.put("parent", BASE)
    recipe = small.recipe("child", "parent")
    wrong = rebuild(small.context, recipe).set_column(2, "x", pa.array([-0.0] * 50))
    with pytest.raises(PlanError, match="reads with other rows"):
        write_table_as(small.context, recipe, wrong, str(tmp_path / "out"))
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_words_for_null_are_written_again(tmp_path: Path) -> None:
    small = SmallLake.at(tmp_path, text={"null_values": ["NA"]})
    small.put("child", BASE, TextFile("csv", "a,b\nx,NA\ny,1\n", ".csv"))
    small.put("parent", pa.table({"a": ["x", "y", "z"], "b": [None, 1, 2]}))
    write_rebuilt(small.context, small.recipe("child", "parent"), str(tmp_path / "out"))
    assert (tmp_path / "out" / "child.csv").read_text() == "a,b\nx,NA\ny,1\n"


def test_decimal_commas_and_other_days_are_written_again(small: SmallLake, tmp_path: Path) -> None:
    text = "n;day;price;weight\n1;31.12.2024;1,50;0,5\n2;01.02.1999;-22,00;1e-07\n3;;;\n"
    small.put("child", BASE, TextFile("csv", text, ".csv"))
    days = [dt.date(2024, 12, 31), dt.date(1999, 2, 1), None, dt.date(2000, 1, 1)]
    prices = pa.array([Decimal("1.50"), Decimal("-22.00"), None, Decimal("7.00")], pa.decimal128(10, 2))
    weights = [0.5, 1e-7, None, 2.0]
    small.put("parent", pa.table({"n": [1, 2, 3, 4], "day": days, "price": prices, "weight": weights}))
    write_rebuilt(small.context, small.recipe("child", "parent"), str(tmp_path / "out"))
    assert (tmp_path / "out" / "child.csv").read_text() == text


def test_a_table_that_cannot_be_written_again_has_no_recipe(tmp_path: Path) -> None:
    """The writer fails here on purpose: which of its columns a format cannot hold is found by reading."""
    small = SmallLake.at(tmp_path)
    small.put("child", pa.table({"t": ["x", "y"], "n": [1, 2]}))
    small.put("parent", pa.table({"t": ["x", "y", "z"], "n": [1, 2, 3]}))
    ref = small.ref("child")
    assert synthesise(small.context, ref, [small.ref("parent")]).recipe is not None
    with patch(
        "lakebed.tasks.retention.recipes.write.write_parquet", return_value=parquet_bytes(pa.table({"n": [1, 2]}))
    ):
        outcome = synthesise(small.context, ref, [small.ref("parent")])
    assert outcome.refusal is not None and outcome.refusal.code == "cannot_be_written"


def test_writing_need_not_be_rehearsed(tmp_path: Path) -> None:
    small = SmallLake.at(tmp_path, RecipeConfig(rehearses_writing=False))
    small.put("child", BASE.slice(0, 50))
    small.put("parent", BASE)
    assert small.recipe("child", "parent").selector_shape == "range"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server of this process with one bucket."""
    from moto.server import ThreadedMotoServer
    from pyarrow import fs

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ALLOW_HTTP": "true", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    store, _ = fs.FileSystem.from_uri("s3://lake?allow_bucket_creation=true")
    store.create_dir("lake")
    yield f"s3://lake/{port}"
    server.stop()


@pytest.mark.parametrize("layout", [HivePartitions(("kind",)), CsvFile(ending=".csv.gz"), JsonLines()])
def test_object_stores_take_the_same_tables(small: SmallLake, bucket: str, layout: object) -> None:
    small.put("child", BASE.slice(0, 50), layout)  # type: ignore[arg-type]
    small.put("parent", BASE)
    written = write_rebuilt(small.context, small.recipe("child", "parent"), f"{bucket}/restored")
    assert written
    lake = small.lake.model_copy(update={"root": f"{bucket}/restored"})
    assert observe(lake, "child").n_rows == 50


def test_nothing_comes_into_an_object_store_behind_a_write_that_failed(tmp_path: Path, bucket: str) -> None:
    small = SmallLake.at(tmp_path, RecipeConfig(max_table_bytes=1024))
    small.put("child", BASE.slice(0, 50))
    small.put("parent", BASE)
    recipe = small.recipe("child", "parent")
    (file,) = recipe.child.files
    longer = file.model_copy(update={"n_rows": 51})
    other = recipe.model_copy(update={"child": recipe.child.model_copy(update={"files": (longer,)})})
    with pytest.raises(PlanError, match="do not fill"):
        write_rebuilt(small.context, other, f"{bucket}/restored")
    gc.collect()
    assert not list(Storage.at(bucket).list_files("restored"))


def test_a_recipe_whose_text_older_rules_left_text_is_written_and_read_by_its_own_casts(
    small: SmallLake, tmp_path: Path
) -> None:
    """What is a boolean today was a string when the table was set aside: the recipe and its digest say so."""
    lines = [f"{n},{n % 3 == 0}" for n in range(60)]
    for name, part in (("child", lines[20:50]), ("parent", lines)):
        small.put(name, BASE, TextFile("csv", "\n".join(["n,x", *part, ""]), ".csv"))
    child, parent = (_without_casts(small.ref(name), '["x"]') for name in ("child", "parent"))
    recipe = synthesise(small.context, child, [parent]).recipe
    assert recipe is not None
    assert {leaf.token: leaf.type for leaf in recipe.child.leaves}['["x"]'] == "string"
    assert {leaf.token: leaf.type for leaf in small.ref("child").leaves}['["x"]'] == "bool"
    assert write_rebuilt(small.context, recipe, str(tmp_path / "out")) == ("child.csv",)
    assert (tmp_path / "out" / "child.csv").read_bytes() == (small.root / "child.csv").read_bytes()


def _without_casts(ref: TableRef, token: str) -> TableRef:
    files = [
        file.model_copy(update={"casts": tuple(cast for cast in file.casts if cast[0] != token)}) for file in ref.files
    ]
    return ref.model_copy(update={"files": tuple(files)})
