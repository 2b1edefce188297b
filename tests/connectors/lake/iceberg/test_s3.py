"""The same tables on an object store: places, deletes, and a process that is no fork."""

from pathlib import Path

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.iceberg.live import live_rows
from lakebed.connectors.lake.iceberg.table import IcebergFacts, read_tables
from lakebed.connectors.lake.listing import list_lake
from lakebed.connectors.lake.read import read_split
from tests.iceberg_tables import HandMade, column
from tests.tasks.quarantine.s3 import s3_server, upload


def test_a_table_on_a_store_is_read_with_its_deletes(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        table = HandMade(tmp_path / "lake" / name, [column(1, "id", "long")], location=f"s3a://gone/{name}")
        data = table.data(pa.table({"id": [1, 2, 3]}))
        table.commit(data)
        table.commit(table.positions(data, [0]), table.equality(pa.table({"id": [3]})))
    (tmp_path / "lake" / "bad" / "metadata" / "snap-2.avro").write_bytes(b"Obj")
    with s3_server():
        root = upload(tmp_path / "lake", "some/lake")
        config = LakeConfig(root=root)
        listing = list_lake(config)
        tables = [table for table in discover(listing, config).tables if table.format == "iceberg"]
        bad, good = read_tables(root, tables, {entry.path: entry for entry in listing.files})
        assert isinstance(bad, SourceError) and "damaged" in bad.what and isinstance(good, IcebergFacts)
        (file,) = good.files
        split = Split(0, 0, file.path, "parquet", None, (), (), 1, file.size, iceberg=file.casts["iceberg"])
        (cells,) = read_split(root, split, ['["id"]'], ReadCounter())
        assert cells['["id"]'].values.to_pylist() == [2] and file.n_rows == 1
        assert live_rows(root, "good") == {file.path: 1}
