"""Sharing a range of work out to threads; kernels give up the interpreter's lock."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

from lakebed.connectors.cores import usable_cores

Result = TypeVar("Result")

_PARTS = 16


def start_threads(n_threads: int, most: int = 1 << 10) -> ThreadPoolExecutor:
    """A pool of `n_threads`, but `most`; 0 takes the cores this process may use."""
    return ThreadPoolExecutor(min(n_threads or usable_cores(), most), "summary")


def spread(
    threads: Executor, n_items: int, work: Callable[[int, int], Result], least: int = 1 << 15
) -> list[tuple[int, Result]]:
    """`work(start, end)` of consecutive parts of 0 ... n_items, with their starts, in order.

    A part has `least` items or more, so that little work is not cut to dust.
    """
    size = max(least, -(-n_items // _PARTS))
    starts = range(0, n_items, size)
    if len(starts) <= 1:
        return [(start, work(start, n_items)) for start in starts]
    return list(zip(starts, threads.map(lambda start: work(start, min(start + size, n_items)), starts), strict=True))
