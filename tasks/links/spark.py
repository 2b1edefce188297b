"""Training on Spark's executors: data-parallel, gradients added up by gloo, every process with the whole graph.

Every process draws the same batches and drops the same inputs, and takes every n-th pair, so the sum of their gradients
is the gradient of one process up to rounding.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from lakebed.connectors.errors import StageError
from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.fit import LinkTask, deterministic, network_inputs, propagation_matrix
from lakebed.tasks.links.kernel.ladder import stop_pairs
from lakebed.tasks.links.kernel.networks import Kind
from lakebed.tasks.links.kernel.propagation import Propagation
from lakebed.tasks.links.kernel.training import Shard, Trained, TrainingData, train

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class SharedTask:
    """What every process reads; plain arrays, so that it can be sent. Shapes: fastrp (n, d) float32."""

    kind: Kind
    task: LinkTask
    fastrp: Float32
    config: LinksConfig


def train_on_spark(shared: SharedTask, n_workers: int) -> Trained:
    """One network, trained by `n_workers` processes of the active session's executors, full batch; no checkpoints.

    Raises: StageError: if a process fails.
    """
    from pyspark.ml.torch.distributor import TorchDistributor

    try:
        distributor = TorchDistributor(num_processes=n_workers, local_mode=False, use_gpu=False)
        found = distributor.run(train_in_process, shared)
    except Exception as error:
        raise StageError(
            "the training on Spark's executors failed",
            value=str(error).splitlines()[0] if str(error) else type(error).__name__,
            expected=f"{n_workers} free slots, and torch in the workers' Python",
            hint="lakebed doctor",
        ) from error
    return cast("Trained", found)


def train_in_process(shared: SharedTask) -> Trained:
    """What each process does; torchrun's environment says which it is."""
    from torch import distributed

    distributed.init_process_group("gloo")
    try:
        rank, n_shards = distributed.get_rank(), distributed.get_world_size()
        return train_shard(shared, Shard(rank, n_shards, _add_up))
    finally:
        distributed.destroy_process_group()


def _add_up(rows: torch.Tensor) -> None:
    torch.distributed.all_reduce(rows)


def train_shard(shared: SharedTask, shard: Shard | None) -> Trained:
    """The training of one process; without a shard that of all pairs."""
    config, task = shared.config, shared.task
    torch.set_num_threads(config.gnn.n_threads)
    data = TrainingData(
        network_inputs(task.features, shared.fastrp),
        Propagation.by_matrix(propagation_matrix(shared.kind, task.graph)),
        task.split.train,
        stop_pairs(task.split),
        task.pools,
        shard=shard,
    )
    with deterministic():
        return train(shared.kind, data, config.gnn, config.split.seed)
