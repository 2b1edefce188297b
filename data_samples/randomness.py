"""Random columns that depend on the lake's seed and a name, and on nothing else."""

import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa


def generator(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for each named part, so that a new part leaves the others as they were."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def picked(rng: np.random.Generator, choices: Sequence[object], n: int) -> pa.Array:
    """`n` independent draws from `choices`."""
    return pa.array([choices[index] for index in rng.integers(0, len(choices), n)])


def instants(moments: Iterable[datetime]) -> pa.Array:
    """Points in time in UTC, in microseconds."""
    return pa.array(list(moments), pa.timestamp("us", "UTC"))
