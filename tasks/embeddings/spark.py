"""FastRP on Spark, for graphs whose vectors do not fit into one machine's memory.

Nodes lie in blocks of consecutive numbers, edges in tiles (block of the row, block of the column) in CSR form. A power
is a join of the tiles with the last power's blocks by column block; the products of a row block are added in ascending
order of the column blocks, so partitions make no difference. Each power is written before the next one begins, which
cuts the lineage and lets a run that was killed go on with the power it was at. It differs from the local kernel in
rounding only.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakebed.connectors.delta import WrittenTable, write_frame
from lakebed.connectors.errors import GraphError, StageError
from lakebed.connectors.spark.connect import map_batches, map_groups
from lakebed.connectors.spark.object_stores import read_delta, spark_uri
from lakebed.connectors.storage import Storage
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.contract import EMBEDDINGS, vector_table
from lakebed.tasks.embeddings.graph import node_hashes
from lakebed.tasks.embeddings.kernel.fastrp import EmbeddingGraph, initial, own_projection, require_vectors
from lakebed.tasks.embeddings.kernel.projection import Float32
from lakebed.tasks.embeddings.kernel.sums import add_power, column_sums, rescale
from lakebed.tasks.embeddings.kernel.tiles import Tile, make_tile, multiply_tile
from lakebed.tasks.runtime.progress import shown

BLOCK_DDL = "block bigint not null, data binary not null"
TILE_DDL = "row bigint not null, col bigint not null, indptr binary, indices binary, weights binary"
PARTIAL_DDL = "row bigint not null, col bigint not null, data binary not null"
SUMS_DDL = "block bigint not null, sums binary not null, n_isolated bigint not null, n_cancelled bigint not null"
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class GraphTables:
    """Where the graph artifact's tables lie."""

    nodes: str
    edges: str


@dataclass(frozen=True)
class SparkEmbeddings:
    """What was written, and for how many nodes the own projection stands in."""

    written: WrittenTable
    n_nodes: int
    n_isolated: int
    n_cancelled: int


@dataclass(frozen=True)
class Job:
    """A session and what its workers need to know."""

    session: SparkSession
    config: EmbeddingsConfig
    folder: str
    n_nodes: int

    def kept(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """A table in the folder; made if a run before has not finished it."""
        storage = Storage.at(self.folder)
        # Parquet, not Delta: nobody else reads it, and a commit costs more than a small power
        if not storage.exists(f"{name}/_SUCCESS"):
            make().write.mode("overwrite").parquet(spark_uri(storage.uri(name)))
        return self.session.read.parquet(spark_uri(storage.uri(name)))


def embed_on_spark(
    session: SparkSession, tables: GraphTables, config: EmbeddingsConfig, folder: str, out_uri: str
) -> SparkEmbeddings:
    """As the kernel's `embed`; degrees, tiles and powers lie in `folder`, the vectors are written to `out_uri`.

    Raises:
        GraphError: if the graph is empty, or a vector comes out zero or not finite.
        StageError: if the config asks for features or kinds of edges, which only the local kernel has.
    """
    _require_plain(config)
    with small_batches(session):
        job, nodes, tiles, degrees = opened(session, tables, config, folder)
        all_degrees = _total_degree(degrees)
        start = job.kept("start", lambda: _start(job, nodes, degrees, all_degrees))
        powers = [start]
        for k in range(1, len(config.weights) + 1):
            with shown().step(f"Power {k} of {len(config.weights)}"):
                powers.append(job.kept(f"powers/{k}", partial(product, job, tiles, powers[-1], degrees)))
        return write_vectors(job, partial(_total, job, nodes, degrees, powers[1:]), out_uri)


def opened(
    session: SparkSession, tables: GraphTables, config: EmbeddingsConfig, folder: str
) -> tuple[Job, DataFrame, DataFrame, DataFrame]:
    """What every method begins with: the job, the nodes, the tiles and the degrees.

    Raises:
        GraphError: if the graph is empty.
    """
    nodes = read_delta(session, tables.nodes)
    job = Job(session, config, folder, nodes.count())
    if job.n_nodes == 0:
        raise GraphError("an empty graph has no vectors", expected="at least one node")
    edges = read_delta(session, tables.edges)
    tiles = job.kept("tiles", lambda: edge_tiles(edges, config))
    return job, nodes, tiles, job.kept("degrees", lambda: block_degrees(job, tiles))


def _require_plain(config: EmbeddingsConfig) -> None:
    if config.features or config.edge_types:
        raise StageError(
            "features and kinds of edges are computed by one process only",
            value="embeddings.features" if config.features else "embeddings.edge_types",
            expected="a graph below embeddings.local_max_values, or neither of them",
            hint="raise embeddings.local_max_values if the memory is there",
        )


@contextlib.contextmanager
def small_batches(session: SparkSession) -> Iterator[None]:
    """A row here is a block of megabytes: few of them may travel together."""
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = session.conf.get(name)
    session.conf.set(name, "8")
    try:
        yield
    finally:
        session.conf.set(name, str(before))


def edge_tiles(edges: DataFrame, config: EmbeddingsConfig) -> DataFrame:
    """Edges in tiles of CSR form, a row a tile."""
    size, weight = config.rows_per_block, F.col("weight") if config.use_weights else F.lit(1.0).cast("float")
    there = edges.select(F.col("source").alias("v"), F.col("target").alias("w"), weight.alias("weight"))
    back = there.select(F.col("w").alias("v"), F.col("v").alias("w"), "weight")
    both = there.union(back).withColumn("row", F.floor(F.col("v") / size)).withColumn("col", F.floor(F.col("w") / size))

    def tile(table: pa.Table) -> pa.Table:
        row, col = table["row"][0].as_py(), table["col"][0].as_py()
        made = make_tile(
            table["v"].to_numpy() - row * size, table["w"].to_numpy() - col * size, table["weight"].to_numpy(), size
        )
        parts = {name: [getattr(made, name).tobytes()] for name in ("indptr", "indices", "weights")}
        return pa.table({"row": [row], "col": [col], **parts})

    return map_groups(both, ("row", "col"), tile, TILE_DDL)


def block_degrees(job: Job, tiles: DataFrame) -> DataFrame:
    """A row a block that has edges: degrees as doubles."""
    size = job.config.rows_per_block

    def add(table: pa.Table) -> pa.Table:
        total = np.zeros(size)
        for tile in _tile_rows(table.sort_by("col")):
            total += tile.degrees()
        return pa.table({"block": [table["row"][0].as_py()], "data": [total.tobytes()]})

    return map_groups(tiles, ("row",), add, BLOCK_DDL)


def _total_degree(degrees: DataFrame) -> float:
    def add(batches: Batches) -> Batches:
        for batch in batches:
            sums = [float(np.frombuffer(data).sum()) for data in batch["data"].to_pylist()]
            yield pa.RecordBatch.from_pydict({"block": batch["block"], "degree": pa.array(sums, pa.float64())})

    rows = map_batches(degrees, add, "block bigint, degree double").toArrow().sort_by("block")
    return float(sum(rows["degree"].to_pylist()))


def with_hashes(job: Job, nodes: DataFrame, degrees: DataFrame) -> DataFrame:
    """A row a block: degrees, null where it has no edge, and the hashes of its nodes' keys."""
    size = job.config.rows_per_block
    blocks = nodes.select("node_id", "key", F.floor(F.col("node_id") / size).alias("block"))

    def hashed(table: pa.Table) -> pa.Table:
        found = node_hashes(table.sort_by("node_id")["key"].combine_chunks())
        return pa.table({"block": [table["block"][0].as_py()], "hashes": [found.tobytes()]})

    named = map_groups(blocks, ("block",), hashed, "block bigint not null, hashes binary not null")
    return named.join(degrees.withColumnRenamed("data", "degree"), "block", "left")


def _start(job: Job, nodes: DataFrame, degrees: DataFrame, all_degrees: float) -> DataFrame:
    """The projection, each row times its damping."""
    config, n_nodes = job.config, job.n_nodes

    def project(batches: Batches) -> Batches:
        for batch in batches:
            for row in batch.to_pylist():
                graph = block_graph(row["hashes"], row["degree"], n_nodes)
                share = graph.degree / max(all_degrees, 1e-300)
                scale = np.power(share, config.degree_exponent, out=np.ones_like(share), where=share > 0)
                found = _initial(graph, config, scale.astype(np.float32))
                yield block_batch(row["block"], found)

    return map_batches(with_hashes(job, nodes, degrees), project, BLOCK_DDL)


def product(job: Job, tiles: DataFrame, power: DataFrame, degrees: DataFrame) -> DataFrame:
    """The next power, in the blocks that have edges."""
    dim = job.config.dim

    def multiply(batches: Batches) -> Batches:
        for batch in batches:
            for row in batch.to_pylist():
                tile = _tile(row)
                data = multiply_tile(tile, matrix(row["data"], dim))
                yield pa.RecordBatch.from_pydict({"row": [row["row"]], "col": [row["col"]], "data": [data.tobytes()]})

    def add(table: pa.Table) -> pa.Table:
        rows = table.sort_by("col").to_pylist()
        total = matrix(rows[0]["data"], dim).copy()
        for row in rows[1:]:
            total += matrix(row["data"], dim)
        degree = np.frombuffer(rows[0]["degree"])
        total *= np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0).astype(np.float32)[:, None]
        return pa.table({"block": [rows[0]["row"]], "data": [total.tobytes()]})

    joined = tiles.join(power.withColumnRenamed("block", "col"), "col").select(
        "row", "col", "indptr", "indices", "weights", "data"
    )
    parts = map_batches(joined, multiply, PARTIAL_DDL)
    known = degrees.select(F.col("block").alias("row"), F.col("data").alias("degree"))
    return map_groups(parts.join(known, "row"), ("row",), add, BLOCK_DDL)


def write_vectors(job: Job, total: Callable[[], DataFrame], out_uri: str) -> SparkEmbeddings:
    """Brings the columns of the total to mean 0 and deviation 1, if so wanted, and writes it."""
    config, n_nodes = job.config, job.n_nodes
    storage = Storage.at(job.folder)
    # other weights may have left theirs
    storage.delete_folder("total")
    sums = job.kept("total", total)
    rows = sums.select("block", "n_isolated", "n_cancelled").toArrow()
    n_isolated, n_cancelled = (sum(rows[name].to_pylist()) for name in ("n_isolated", "n_cancelled"))
    mean, deviation = np.zeros(config.dim), np.ones(config.dim)
    if config.standardize:
        mean = _column_sums(sums, config, mean, squared=False) / n_nodes
        deviation = np.sqrt(_column_sums(sums, config, mean, squared=True) / n_nodes)

    def finish(batches: Batches) -> Batches:
        for batch in batches:
            for row in batch.to_pylist():
                found = matrix(row["sums"], config.dim).copy()
                if config.standardize:
                    rescale(found, mean, deviation)
                require_vectors(found)
                yield from vector_table(found, row["block"] * config.rows_per_block).to_batches()

    # no DDL: it cannot say that a list holds no nulls
    written = write_frame(out_uri, map_batches(sums.select("block", "sums"), finish, EMBEDDINGS.spark_schema()))
    storage.delete_folder("total")
    return SparkEmbeddings(written, n_nodes, n_isolated, n_cancelled)


def _total(job: Job, nodes: DataFrame, degrees: DataFrame, powers: list[DataFrame]) -> DataFrame:
    """The weighted sum of each block, before the standardisation."""
    config, n_nodes = job.config, job.n_nodes
    rows = with_hashes(job, nodes, degrees)
    for k, power in enumerate(powers):
        if config.weights[k]:
            rows = rows.join(power.withColumnRenamed("data", f"power_{k}"), "block", "left")

    def add(batches: Batches) -> Batches:
        for batch in batches:
            for row in batch.to_pylist():
                graph = block_graph(row["hashes"], row["degree"], n_nodes)
                total = np.zeros((len(graph.degree), config.dim), np.float32)
                if config.self_weight:
                    total[:] = _initial(graph, config, np.full(len(total), config.self_weight, np.float32))
                for k, weight in enumerate(config.weights):
                    data = row.get(f"power_{k}")
                    if data:
                        power = matrix(data, config.dim)[: len(total)]
                        add_power(total, power, weight, normalize=config.normalize)
                alone = own_projection(graph, config, total, slice(0, len(total)))
                n_isolated = int((graph.degree[alone] == 0).sum())
                counts = {"n_isolated": [n_isolated], "n_cancelled": [len(alone) - n_isolated]}
                yield pa.RecordBatch.from_pydict({"block": [row["block"]], "sums": [total.tobytes()], **counts})

    return map_batches(rows, add, SUMS_DDL)


def _column_sums(
    total: DataFrame, config: EmbeddingsConfig, shift: NDArray[np.float64], *, squared: bool
) -> NDArray[np.float64]:
    """Sums of the columns, block by block in their order."""

    def add(batches: Batches) -> Batches:
        for batch in batches:
            for row in batch.to_pylist():
                sums = column_sums(matrix(row["sums"], config.dim), shift, squared=squared)
                yield pa.RecordBatch.from_pydict({"block": [row["block"]], "data": [sums.tobytes()]})

    rows = map_batches(total.select("block", "sums"), add, BLOCK_DDL).toArrow().sort_by("block")
    found = np.zeros(config.dim)
    for data in rows["data"].to_pylist():
        found += np.frombuffer(data)
    return found


@dataclass(frozen=True)
class BlockGraph(EmbeddingGraph):
    """The nodes of one block of a larger graph, whose number of nodes decides the projection."""

    n_all: int = 0

    @property
    def n_nodes(self) -> int:
        """Nodes of the whole graph."""
        return self.n_all


def block_graph(hashes: bytes, degree: bytes | None, n_nodes: int) -> BlockGraph:
    """The nodes of a block from a row of `with_hashes`, without edges."""
    node_hash = np.frombuffer(hashes, np.uint64)
    known = np.zeros(len(node_hash)) if degree is None else np.frombuffer(degree)[: len(node_hash)]
    return BlockGraph(node_hash, known, [], n_all=n_nodes)


def _initial(graph: BlockGraph, config: EmbeddingsConfig, scale: Float32) -> Float32:
    return initial(graph, config, slice(0, len(graph.node_hash)), scale)


def _tile(row: dict[str, bytes]) -> Tile:
    return Tile(
        np.frombuffer(row["indptr"], np.int64),
        np.frombuffer(row["indices"], np.int32),
        np.frombuffer(row["weights"], np.float32),
    )


def _tile_rows(table: pa.Table) -> Iterator[Tile]:
    return (_tile(row) for row in table.to_pylist())


def matrix(data: bytes, dim: int) -> Float32:
    """The vectors of a block."""
    return np.frombuffer(data, np.float32).reshape(-1, dim)


def block_batch(number: int, data: Float32) -> pa.RecordBatch:
    """A row of BLOCK_DDL."""
    return pa.RecordBatch.from_pydict({"block": [number], "data": [data.tobytes()]})
