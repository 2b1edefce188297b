"""Neighbours of several shards, or of an index and its changes, put together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.index.kernel.flat import Neighbours


def merge(parts: Sequence[Neighbours], k: int) -> Neighbours:
    """The k nearest of all parts, whose positions are of one numbering; equal distances in the order of positions.

    Shapes: (q, any k) each; result (q, k).
    """
    if len(parts) == 1 and parts[0].position.shape[1] == k:
        return parts[0]
    position = np.concatenate([part.position for part in parts], axis=1)
    distance = np.concatenate([part.distance for part in parts], axis=1)
    order = np.lexsort((position, distance), axis=1)[:, :k]
    found = Neighbours.none(len(position), k)
    width = order.shape[1]
    found.position[:, :width] = np.take_along_axis(position, order, 1)
    found.distance[:, :width] = np.take_along_axis(distance, order, 1)
    return found


def keep(found: Neighbours, is_kept: NDArray[np.bool_], k: int) -> Neighbours:
    """The first k of each row that are kept. Shapes: found (q, any); is_kept (n,); result (q, k)."""
    is_out = (found.position < 0) | ~is_kept[found.position]
    order = np.argsort(is_out, axis=1, kind="stable")[:, :k]
    out = np.take_along_axis(is_out, order, 1)
    result = Neighbours.none(len(found.position), k)
    width = order.shape[1]
    result.position[:, :width] = np.where(out, -1, np.take_along_axis(found.position, order, 1))
    result.distance[:, :width] = np.where(out, np.inf, np.take_along_axis(found.distance, order, 1))
    return result
