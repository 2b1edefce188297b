"""Orthogonal rounds on Spark: products as for FastRP, and CholeskyQR2, of which the driver sees dim² numbers alone.

The sums of a factoring are taken block by block in ascending order, first within groups of consecutive blocks, so
partitions make no difference. Each step is written before the next one begins, and what it was made of goes then: a run
that was killed goes on with the step it was at.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakebed.connectors.spark.connect import map_batches, map_groups
from lakebed.connectors.storage import Storage
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.kernel.orthogonal import finish, gram, inverse_factor, is_factored, multiply, start
from lakebed.tasks.embeddings.spark import (
    BLOCK_DDL,
    SUMS_DDL,
    Batches,
    GraphTables,
    Job,
    SparkEmbeddings,
    block_batch,
    block_graph,
    matrix,
    opened,
    product,
    small_batches,
    with_hashes,
    write_vectors,
)
from lakebed.tasks.runtime.progress import shown

# bytes of the sums of one group
_GROUP_BYTES, _MAX_GROUP = 1 << 28, 128

Step = tuple[str, Callable[[DataFrame], DataFrame]]


def embed_by_rounds_on_spark(
    session: SparkSession, tables: GraphTables, config: EmbeddingsConfig, folder: str, out_uri: str
) -> SparkEmbeddings:
    """As the kernel's `embed_by_rounds`; degrees, tiles and the last step lie in `folder`, vectors go to `out_uri`.

    Raises:
        GraphError: if the graph is empty, or a vector comes out zero or not finite.
    """
    with small_batches(session):
        job, nodes, tiles, degrees = opened(session, tables, config, folder)
        current = _last(job, list(_steps(job, nodes, tiles, degrees)))
        return write_vectors(job, partial(_total, job, nodes, degrees, current), out_uri)


def _steps(job: Job, nodes: DataFrame, tiles: DataFrame, degrees: DataFrame) -> Iterator[Step]:
    """What is made of the step before, in order, each under a name of its own."""
    yield "rounds/0", lambda _: _start(job, nodes, degrees)
    for number in range(1, job.config.orthogonal_rounds + 1):
        yield f"rounds/{number}", lambda before: product(job, tiles, before, degrees)
        if is_factored(number, job.config):
            for name in ("a", "b"):
                yield f"rounds/{number}{name}", lambda before: _factored(job, before, degrees)


def _last(job: Job, steps: list[Step]) -> DataFrame:
    """The last step, from the last one on that a run before has finished."""
    storage = Storage.at(job.folder)
    done = [at for at, (name, _) in enumerate(steps) if storage.exists(f"{name}/_SUCCESS")]
    # the start takes nothing
    current = job.session.createDataFrame([], BLOCK_DDL)
    for at in range(max(done, default=0), len(steps)):
        name, make = steps[at]
        with shown().step(f"Step {at + 1} of {len(steps)}"):
            current = job.kept(name, partial(make, current))
        for before, _ in steps[:at]:
            storage.delete_folder(before)
    return current


def _start(job: Job, nodes: DataFrame, degrees: DataFrame) -> DataFrame:
    config, n_nodes = job.config, job.n_nodes

    def draw(batches: Batches) -> Batches:
        for batch in batches:
            for row in batch.to_pylist():
                graph = block_graph(row["hashes"], row["degree"], n_nodes)
                yield block_batch(row["block"], start(graph.node_hash, graph.degree, config))

    return map_batches(with_hashes(job, nodes, degrees), draw, BLOCK_DDL)


def _factored(job: Job, current: DataFrame, degrees: DataFrame) -> DataFrame:
    """V·R⁻¹ of VᵀDV = RᵀR."""
    dim, inverse = job.config.dim, inverse_factor(_gram(job, current, degrees))

    def apply(batches: Batches) -> Batches:
        for batch in batches:
            for row in batch.to_pylist():
                found = matrix(row["data"], dim).copy()
                multiply(found, inverse)
                yield block_batch(row["block"], found)

    return map_batches(current, apply, BLOCK_DDL)


def _gram(job: Job, current: DataFrame, degrees: DataFrame) -> NDArray[np.float64]:
    """The sum over blocks of VᵀDV. Shapes: (dim, dim), its upper triangle."""
    dim = job.config.dim
    size = min(_MAX_GROUP, max(2, _GROUP_BYTES // (8 * dim**2)))

    def square(batches: Batches) -> Batches:
        for batch in batches:
            for row in batch.to_pylist():
                part = matrix(row["data"], dim)
                yield _sums(row["block"], gram(part, np.frombuffer(row["degree"])[: len(part)]))

    def add(table: pa.Table) -> pa.Table:
        rows = table.sort_by("block")
        return pa.Table.from_batches([_sums(rows["block"][0].as_py(), _added(rows, dim))])

    joined = current.join(degrees.withColumnRenamed("data", "degree"), "block")
    parts = map_batches(joined, square, BLOCK_DDL).withColumn("group", F.floor(F.col("block") / size))
    groups = map_groups(parts, ("group",), add, BLOCK_DDL)
    return _added(groups.toArrow().sort_by("block"), dim)


def _sums(block: int, sums: NDArray[np.float64]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"block": [block], "data": [sums.tobytes()]})


def _added(rows: pa.Table, dim: int) -> NDArray[np.float64]:
    total = np.zeros((dim, dim))
    for data in rows["data"].to_pylist():
        total += np.frombuffer(data).reshape(dim, dim)
    return total


def _total(job: Job, nodes: DataFrame, degrees: DataFrame, current: DataFrame) -> DataFrame:
    """The vectors of each block, before the standardisation."""
    config, n_nodes = job.config, job.n_nodes

    def close(batches: Batches) -> Batches:
        for batch in batches:
            for row in batch.to_pylist():
                graph = block_graph(row["hashes"], row["degree"], n_nodes)
                total = np.zeros((len(graph.degree), config.dim), np.float32)
                if row["data"]:
                    total[:] = matrix(row["data"], config.dim)[: len(total)]
                n_isolated, n_cancelled = finish(graph, config, total, slice(0, len(total)))
                counts = {"n_isolated": [n_isolated], "n_cancelled": [n_cancelled]}
                yield pa.RecordBatch.from_pydict({"block": [row["block"]], "sums": [total.tobytes()], **counts})

    return map_batches(with_hashes(job, nodes, degrees).join(current, "block", "left"), close, SUMS_DDL)
