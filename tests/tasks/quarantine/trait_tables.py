"""Pairs of tables, `all` and `part`, each with something that a reader sees beside the rows, of many engines."""

import csv
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

N_ROWS = 400
RANGES = {"all": (0, N_ROWS), "part": (100, 200)}
START = datetime(2024, 1, 1)
GEO = '{"version": "1.1.0", "primary_column": "name", "columns": {}}'
# of a text column that pyarrow writes: converted type UTF8, logical type STRING
_TEXT = b"\x25\x00\x4c\x1c\x00\x00"
Writer = Callable[[Path, str, int, int], None]


def rows(low: int, high: int) -> dict[str, object]:
    return {"id": pa.array(range(low, high), pa.int64()), "name": [f"n{i * 7}" for i in range(low, high)]}


def write(root: Path, writer: Writer) -> None:
    """Both tables."""
    root.mkdir(exist_ok=True)
    for name, (low, high) in RANGES.items():
        writer(root, name, low, high)


def arrow(make: Callable[[int, int], dict[str, object]] | None = None, **options: object) -> Writer:
    """Files of pyarrow with more columns."""

    def write_one(root: Path, name: str, low: int, high: int) -> None:
        table = pa.table(rows(low, high) | (make(low, high) if make else {}))
        pq.write_table(table, root / f"{name}.parquet", **options)

    return write_one


def annotated(converted: int, logical: int) -> Writer:
    """Text columns under another annotation, put into the footer's bytes."""

    def write_one(root: Path, name: str, low: int, high: int) -> None:
        path = root / f"{name}.parquet"
        pq.write_table(pa.table(rows(low, high)), path, store_schema=False)
        data = path.read_bytes()
        assert data.count(_TEXT) == 1
        mark = bytes([0x25, converted << 1, 0x4C, logical << 4 | 12, 0, 0])
        path.write_bytes(data.replace(_TEXT, mark))

    return write_one


def duck(columns: str) -> Writer:
    """Files of DuckDB."""

    def write_one(root: Path, name: str, low: int, high: int) -> None:
        query = f"select i as id, 'n' || (i * 7) as name, {columns} from range({low}, {high}) r(i)"  # noqa: S608
        duckdb.connect().execute(f"copy ({query}) to '{root}/{name}.parquet'")

    return write_one


def required_fields(root: Path, name: str, low: int, high: int) -> None:
    fields = [
        pa.field("id", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "7"}),
        pa.field("name", pa.string(), nullable=False, metadata={"PARQUET:field_id": "12", "comment": "of a person"}),
    ]
    table = pa.table(rows(low, high)).cast(pa.schema(fields)).replace_schema_metadata({"geo": GEO})
    pq.write_table(table, root / f"{name}.parquet")


def pandas_frame(root: Path, name: str, low: int, high: int) -> None:
    frame = pd.DataFrame({"id": range(low, high), "kind": pd.Categorical([f"k{i % 3}" for i in range(low, high)])})
    frame["at"] = pd.date_range("2024-01-01", periods=N_ROWS, freq="h", tz="Europe/Berlin")[low:high]
    frame.set_index("id").to_parquet(root / f"{name}.parquet")


def hive(root: Path, name: str, low: int, high: int) -> None:
    for day in range(2):
        numbers = [i for i in range(low, high) if i % 2 == day]
        folder = root / name / f"day=2024-01-0{day + 1}"
        folder.mkdir(parents=True)
        names = [f"n{i}" for i in numbers]
        pq.write_table(pa.table({"id": pa.array(numbers, pa.int64()), "name": names}), folder / "part-0.parquet")


def grown(root: Path, name: str, low: int, high: int) -> None:
    """A folder of files, the first of which lack a column and have a narrower type."""
    folder, middle = root / name, 150
    folder.mkdir()
    first = pa.table({"id": pa.array(range(low, middle), pa.int32())})
    pq.write_table(first, folder / "part-0.parquet")
    pq.write_table(pa.table(rows(middle, high)), folder / "part-1.parquet", store_schema=False)


def text(ending: str, render: Callable[[list[list[object]]], bytes]) -> Writer:
    """A file of text, of a header and rows."""

    def write_one(root: Path, name: str, low: int, high: int) -> None:
        body = [[i, f"n {i}", i / 4, f"2024-01-{1 + i % 28:02d}"] for i in range(low, high)]
        (root / f"{name}{ending}").write_bytes(render(body))

    return write_one


def csv_text(body: list[list[object]], header: tuple[str, ...] = ("id", "name", "x", "day"), **dialect: object) -> str:
    """CSV of Python's own writer."""
    import io

    sink = io.StringIO(newline="")
    csv.writer(sink, **({"lineterminator": "\n"} | dialect)).writerows([header, *body])
    return sink.getvalue()


def cities(body: list[list[object]]) -> bytes:
    """Names of places in an encoding that nothing tells but the bytes."""
    places = ("Köln", "São Paulo", "Münster", "Besançon", "Málaga")
    return csv_text([[row[0], f"{places[n % 5]} {row[1]}", *row[2:]] for n, row in enumerate(body)]).encode("cp1252")


def odd_quotes(body: list[list[object]]) -> bytes:
    lines = [f'{i},"{name}",{x},{day}' if i % 2 else f"{i},{name},{x},{day}" for i, name, x, day in body]
    return ("id,name,x,day\n" + "\n".join(lines) + "\n").encode()


def json_lines(body: list[list[object]]) -> bytes:
    lines = [{"id": i, "name": name if i % 3 else None, "x": x} for i, name, x, _ in body]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def delta(**options: object) -> Writer:
    """A Delta table of delta-rs."""

    def write_one(root: Path, name: str, low: int, high: int) -> None:
        write_deltalake(
            root / name, pa.table(rows(low, high) | {"day": [f"d{i % 2}" for i in range(low, high)]}), **options
        )

    return write_one


def delta_constraint(root: Path, name: str, low: int, high: int) -> None:
    delta()(root, name, low, high)
    DeltaTable(root / name).alter.add_constraint({"positive": "id >= 0"})


def delta_log(change: Callable[[dict[str, dict]], None]) -> Writer:
    """A Delta table whose log is changed by hand: what delta-rs does not write."""

    def write_one(root: Path, name: str, low: int, high: int) -> None:
        delta()(root, name, low, high)
        commit = root / name / "_delta_log" / f"{0:020d}.json"
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        for action in actions:
            change(action)
        commit.write_text("".join(json.dumps(action) + "\n" for action in actions))

    return write_one


def with_features(*features: str, **metadata: object) -> Writer:
    """A Delta table with these features of writers, and metadata of its first column."""

    def change(action: dict[str, dict]) -> None:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": [*features]}
        if "metaData" in action:
            schema = json.loads(action["metaData"]["schemaString"])
            schema["fields"][0]["metadata"] = metadata
            action["metaData"]["schemaString"] = json.dumps(schema)

    return delta_log(change)


def mapped(mode: str) -> Writer:
    """A Delta table whose columns have other names in its files."""

    def write_one(root: Path, name: str, low: int, high: int) -> None:
        names = {"c-1": "id", "c-2": "name", "c-3": "day"}
        table = pa.table(rows(low, high) | {"day": [f"d{i % 2}" for i in range(low, high)]})
        write_deltalake(root / name, table.rename_columns(list(names)))
        commit = root / name / "_delta_log" / f"{0:020d}.json"
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        for action in actions:
            if "protocol" in action:
                action["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
            if "metaData" in action:
                schema = json.loads(action["metaData"]["schemaString"])
                for number, field in enumerate(schema["fields"], 1):
                    field["metadata"] = {
                        "delta.columnMapping.id": number,
                        "delta.columnMapping.physicalName": field["name"],
                    }
                    field["name"] = names[field["name"]]
                action["metaData"]["schemaString"] = json.dumps(schema)
                settings = {"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "3"}
                action["metaData"]["configuration"] = settings
        commit.write_text("".join(json.dumps(action) + "\n" for action in actions))

    return write_one


def times(low: int, high: int) -> dict[str, object]:
    moments = [START + timedelta(hours=i) for i in range(low, high)]
    units = {unit: pa.array(moments, pa.timestamp(unit)) for unit in ("ms", "us", "ns")}
    zones = {
        f"{unit} utc": pa.array([at.replace(tzinfo=UTC) for at in moments], pa.timestamp(unit, "UTC")) for unit in units
    }
    clock = pa.array([time(1, 2, i % 60) for i in range(low, high)], pa.time64("ns"))
    return units | zones | {"clock": clock, "span": pa.array([timedelta(seconds=i) for i in range(low, high)])}


def many_types(low: int, high: int) -> dict[str, object]:
    numbers = range(low, high)
    return {
        "half": pa.array([float(i % 100) for i in numbers], pa.float16()),
        "small": pa.array([i % 200 for i in numbers], pa.uint8()),
        "unsigned": pa.array(numbers, pa.uint32()),
        "uuid": pa.ExtensionArray.from_storage(
            pa.uuid(), pa.array([i.to_bytes(16, "big") for i in numbers], pa.binary(16))
        ),
        "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array([f'{{"a": {i}}}' for i in numbers])),
        "long": pa.array([f"l{i}" for i in numbers], pa.large_string()),
        "code": pa.array([f"c{i % 5}" for i in numbers]).dictionary_encode(),
        "pair": pa.array([[i, i + 1] for i in numbers], pa.list_(pa.int32(), 2)),
        "words": [[f"w{i}", None] if i % 3 else None for i in numbers],
        "map": pa.array([[("k", i)] for i in numbers], pa.map_(pa.string(), pa.int64())),
        "nothing": pa.nulls(high - low),
        "nested": [{"a": i, "b": [{"c": f"c{i}"}]} for i in numbers],
    }


def money(low: int, high: int) -> dict[str, object]:
    cents = [Decimal(i) / 4 for i in range(low, high)]
    return {
        "m": pa.array(cents, pa.decimal128(9, 2)),
        "w": pa.array(cents, pa.decimal128(18, 2)),
        "big": pa.array(cents, pa.decimal128(30, 2)),
    }


def far(low: int, high: int) -> dict[str, object]:
    ends = [datetime(9999, 12, 31) if i % 4 else START + timedelta(hours=i) for i in range(low, high)]
    return {"valid_to": pa.array(ends, pa.timestamp("us"))}


def moments(low: int, high: int) -> dict[str, object]:
    return {"at": pa.array([START + timedelta(hours=i) for i in range(low, high)], pa.timestamp("us"))}


def polars_frame(root: Path, name: str, low: int, high: int) -> None:
    polars = pytest.importorskip("polars", reason="Polars is no dependency; install it to test its files")
    columns = {"id": range(low, high), "kind": [f"k{i % 3}" for i in range(low, high)]}
    frame = polars.DataFrame(columns).with_columns(
        polars.col("kind").cast(polars.Categorical).alias("category"),
        polars.datetime(2024, 1, 1, time_zone="UTC").alias("at"),
        polars.concat_list("id", "id").alias("list"),
        polars.struct("id", "kind").alias("struct"),
        (polars.col("id") / 4).cast(polars.Decimal(12, 2)).alias("money"),
    )
    frame.write_parquet(root / f"{name}.parquet")


KEPT: dict[str, Writer] = {
    "plain": arrow(),
    "enum": annotated(4, 4),
    "json": annotated(19, 12),
    "bson": annotated(20, 13),
    "variant": duck("{'a': i, 'b': 'x' || i}::VARIANT v"),
    "types of DuckDB": duck(
        "uuid() is null u, ('{\"a\":' || i || '}')::json j, interval (i) day iv, (i / 4)::decimal(12, 2) d, "
        "{'a': i} st, map {'k': i} m, ['t' || i, null] l, timestamptz '2024-01-01' + interval (i) hour z, "
        "('0000000' || (10 + i % 90)::varchar || '0-0000-0000-0000-000000000000')[3:]::varchar u2"
    ),
    "int96": arrow(moments, use_deprecated_int96_timestamps=True),
    "times": arrow(times),
    "types of pyarrow": arrow(many_types),
    "without Arrow's schema": arrow(many_types, store_schema=False, use_compliant_nested_type=False),
    "Parquet 1": arrow(lambda low, high: {"u": pa.array(range(low, high), pa.uint32())}, version="1.0"),
    "decimals as bytes": arrow(money),
    "decimals as integers": arrow(money, store_decimal_as_integer=True),
    "required and field ids": required_fields,
    "pandas": pandas_frame,
    "Hive folders": hive,
    "files that differ": grown,
    "csv": text(".csv", lambda body: csv_text(body).encode()),
    "csv, all quoted": text(".csv", lambda body: csv_text(body, quoting=csv.QUOTE_ALL).encode()),
    "csv, text quoted": text(".csv", lambda body: csv_text(body, quoting=csv.QUOTE_NONNUMERIC).encode()),
    "csv of Windows": text(
        ".csv", lambda body: csv_text(body, delimiter=";", lineterminator="\r\n").encode("utf-8-sig")
    ),
    "csv in UTF-16": text(".csv", lambda body: csv_text(body).encode("utf-16")),
    "csv in Windows-1252": text(".csv", cities),
    "csv, packed": text(".csv.gz", lambda body: gzip.compress(csv_text(body, delimiter="\t").encode())),
    "csv with a name left out": text(".csv", lambda body: csv_text(body, ("", "name", "x", "day")).encode()),
    "json lines": text(".jsonl", json_lines),
    "delta": delta(),
    "delta, partitions": delta(partition_by=["day"]),
    "delta, properties": delta(
        name="people",
        description='those "we" know',
        configuration={"delta.enableChangeDataFeed": "true", "delta.logRetentionDuration": "interval 60 days"},
    ),
    "delta, constraint": delta_constraint,
    "delta, generated column": with_features(
        "appendOnly", "generatedColumns", **{"delta.generationExpression": "1 + 1", "comment": "a sum"}
    ),
    "delta, identity column": with_features(
        "identityColumns",
        **{
            "delta.identity.start": 1,
            "delta.identity.step": 1,
            "delta.identity.highWaterMark": 9000,
            "delta.identity.allowExplicitInsert": True,
        },
    ),
    "delta, columns mapped by name": mapped("name"),
}
# with a word that the reason must have
REFUSED: dict[str, tuple[Writer, str]] = {
    "int96 beyond nanoseconds": (arrow(far, use_deprecated_int96_timestamps=True), "INT96"),
    "csv, quoted at will": (text(".csv", odd_quotes), "n_quotes"),
    "delta, row tracking": (with_features("rowTracking"), "rowTracking"),
    "delta, columns mapped by id": (mapped("id"), "column mapping by id"),
}


def is_hidden(path: Path) -> bool:
    """Whether it is no data: of lakebed's, or a mark of Spark's."""
    return "lakebed" in str(path) or path.name.startswith(("_", "."))


def seen(root: Path, name: str = "part") -> dict[str, object]:
    """What readers see of a table: pyarrow's raw schema, DuckDB's types, key-value metadata, text, the Delta log."""
    folder = root / name
    found: dict[str, object] = {}
    if (folder / "_delta_log").is_dir():
        table = DeltaTable(folder)
        about = table.metadata()
        found["delta"] = (about.name, about.description, about.partition_columns, about.configuration)
        found["log"] = (repr(table.protocol()), json.loads(table.schema().to_json()))
        return found
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and not is_hidden(path.relative_to(root))]
    for path in paths:
        if not path.relative_to(root).parts[0].startswith(name):
            continue
        key = str(path.relative_to(root))
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            found[key] = (str(file.schema).partition("\n")[2], file.metadata.metadata, _described(path))
        elif path.suffix in (".json", ".jsonl"):
            found[key] = [json.loads(line) for line in path.read_text().splitlines()]
        else:
            found[key] = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return found


def content(root: Path, name: str = "part") -> list[str]:
    """The rows, sorted, as DuckDB reads the files, or pyarrow those that DuckDB cannot read."""
    folder = root / name
    if (folder / "_delta_log").is_dir():
        paths = [Path(uri) for uri in DeltaTable(folder).file_uris()]
    else:
        paths = sorted(path for path in root.rglob("*.parquet") if path.relative_to(root).parts[0].startswith(name))
    return sorted(row for path in paths for row in _rows(path))


def _rows(path: Path) -> list[str]:
    try:
        return [repr(row) for row in duckdb.read_parquet(str(path)).fetchall()]
    except duckdb.Error:
        return [repr(row) for row in pq.ParquetFile(path).read().to_pylist()]


def _described(path: Path) -> object:
    try:
        return duckdb.execute("select * exclude (file_name) from parquet_schema(?)", [str(path)]).fetchall()
    except duckdb.Error as error:
        return str(error)
