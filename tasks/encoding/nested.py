"""Canonical cells of lists, structs and maps: a header, then the cells of what they hold."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types as t

from lakebed.tasks.encoding import words as w
from lakebed.tasks.encoding.forms import ByteCells, Cells, FixedCells, ListCells, Mask, Offsets, WordCells, plain
from lakebed.tasks.encoding.signatures import (
    INTEGERS,
    READ_BYTES,
    READ_INTEGERS,
    READ_WORDS,
    WORDS,
    Integers,
    Words,
    inner,
    kernel,
    tuple_of,
    uint64,
)

Encode = Callable[[pa.Array], Cells]


@kernel(tuple_of(INTEGERS, WORDS)(uint64, READ_INTEGERS, READ_BYTES, READ_BYTES, READ_WORDS))
def bytes_to_words(
    tag: int, offsets: Integers, data: NDArray[np.uint8], is_null: NDArray[np.uint8], depth: Words
) -> tuple[Integers, Words]:
    """Cells over bytes as words. Shapes: as in ByteCells; result offsets (n + 1,) and words."""
    n = offsets.size - 1
    out_offsets = np.zeros(n + 1, np.int64)
    for i in range(n):
        size = 1 if is_null.size and is_null[i] else (offsets[i + 1] - offsets[i] + 7) // 8
        out_offsets[i + 1] = out_offsets[i] + 2 + size
    out = np.zeros(out_offsets[n], np.uint64)
    for i in range(n):
        at = out_offsets[i]
        if is_null.size and is_null[i]:
            out[at + 1] = depth[i]
            continue
        out[at], out[at + 1] = tag, np.uint64(offsets[i + 1] - offsets[i])
        for j in range(offsets[i + 1] - offsets[i]):
            out[at + 2 + j // 8] |= np.uint64(data[offsets[i] + j]) << np.uint64(8 * (j % 8))
    return out_offsets, out


@kernel(tuple_of(INTEGERS, WORDS)(READ_WORDS, READ_WORDS, READ_INTEGERS, READ_INTEGERS, READ_INTEGERS, READ_WORDS))
def gather_cells(
    tags: Words, seconds: Words, item_offsets: Integers, items: Integers, offsets: Integers, words: Words
) -> tuple[Integers, Words]:
    """Cells that hold other cells: tag, second word, then the words of the items; a null holds a zero and no items.

    Shapes: tags, seconds (n,); item_offsets (n + 1,) into items; items (m,) positions of the cells (offsets, words).
    """
    n = tags.size
    out_offsets = np.zeros(n + 1, np.int64)
    for i in range(n):
        size = np.int64(3)
        if tags[i]:
            size = np.int64(2)
            for j in range(item_offsets[i], item_offsets[i + 1]):
                size += offsets[items[j] + 1] - offsets[items[j]]
        out_offsets[i + 1] = out_offsets[i] + size
    out = np.zeros(out_offsets[n], np.uint64)
    for i in range(n):
        at = out_offsets[i]
        out[at], out[at + 1] = tags[i], seconds[i]
        at += 2
        if tags[i]:
            for j in range(item_offsets[i], item_offsets[i + 1]):
                for word in words[offsets[items[j]] : offsets[items[j] + 1]]:
                    out[at] = word
                    at += 1
    return out_offsets, out


@inner
def _is_after(a: int, b: int, offsets: Integers, words: Words) -> bool:
    """Whether cell a comes after cell b in the order of their words."""
    size_a, size_b = offsets[a + 1] - offsets[a], offsets[b + 1] - offsets[b]
    for j in range(min(size_a, size_b)):
        left, right = words[offsets[a] + j], words[offsets[b] + j]
        if left != right:
            return bool(left > right)
    return bool(size_a > size_b)


@kernel(INTEGERS(READ_INTEGERS, READ_INTEGERS, READ_WORDS))
def sort_items(item_offsets: Integers, offsets: Integers, words: Words) -> Integers:
    """The positions of each row's items in the order of their words, by a merge sort from the bottom.

    Shapes: item_offsets (n + 1,); cells (offsets, words); result (m,).
    """
    m = offsets.size - 1
    order, merged = np.arange(m), np.empty(m, np.int64)
    for row in range(item_offsets.size - 1):
        first, end, width = item_offsets[row], item_offsets[row + 1], 1
        while width < end - first:
            for start in range(first, end, 2 * width):
                middle, stop = min(start + width, end), min(start + 2 * width, end)
                i, j = start, middle
                for k in range(start, stop):
                    if j >= stop or (i < middle and not _is_after(order[i], order[j], offsets, words)):
                        merged[k] = order[i]
                        i += 1
                    else:
                        merged[k] = order[j]
                        j += 1
            order[first:end] = merged[first:end]
            width *= 2
    return order


def nested_cells(values: pa.Array, is_null: Mask | None, depth: Words, encode: Encode) -> WordCells | ListCells:
    """The cells of a list, map or struct array; `encode` gives the cells of what it holds."""
    if t.is_struct(values.type):
        return _struct_cells(values, is_null, depth, encode)
    if t.is_map(values.type):
        return _map_cells(values, is_null, depth, encode)
    starts, sizes, child = _list_items(values, is_null)
    tags, seconds = _headers(w.LIST, sizes, is_null, depth)
    inner = encode(child)
    if isinstance(inner, FixedCells):
        return ListCells(tags, seconds, starts, sizes, inner)
    return _gathered_lists(tags, seconds, starts, sizes, to_words(inner))


def _gathered_lists(tags: Words, seconds: Words, starts: Offsets, sizes: Offsets, inner: WordCells) -> WordCells:
    return WordCells(*gather_cells(tags, seconds, *_items(starts, sizes), inner.offsets, inner.words))


def to_words(cells: Cells) -> WordCells:
    """Cells of any kind as words."""
    if isinstance(cells, WordCells):
        return cells
    if isinstance(cells, ByteCells):
        return WordCells(*bytes_to_words(cells.tag, cells.offsets, cells.data, cells.is_null, cells.depth))
    if isinstance(cells, ListCells):
        return _gathered_lists(cells.tags, cells.seconds, cells.starts, cells.sizes, _fixed_words(cells.items))
    return _fixed_words(cells)


def _fixed_words(cells: FixedCells) -> WordCells:
    n = cells.tags.size
    return WordCells(np.arange(n + 1) * 3, np.stack([cells.tags, cells.low, cells.high], axis=1).reshape(-1))


def _headers(tag: int, n_items: NDArray[np.int64] | int, is_null: Mask | None, depth: Words) -> tuple[Words, Words]:
    n = is_null.size if is_null is not None else np.size(n_items)
    tags, seconds = np.full(n, tag, np.uint64), np.array(np.broadcast_to(n_items, n), dtype=np.uint64)
    if is_null is not None:
        tags[is_null], seconds[is_null] = w.NULL, depth[is_null]
    return tags, seconds


def _list_items(values: pa.Array, is_null: Mask | None) -> tuple[Offsets, Offsets, pa.Array]:
    """Where each row's items start in the child array, how many there are, and it; of any layout."""
    kind, n = values.type, len(values)
    if t.is_fixed_size_list(kind):
        starts = (np.arange(n) + values.offset) * kind.list_size
        sizes = np.full(n, kind.list_size)
    else:
        bounds = values.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
        is_view = t.is_list_view(kind) or t.is_large_list_view(kind)
        starts = bounds if is_view else bounds[:-1]
        sizes = values.sizes.to_numpy(zero_copy_only=False).astype(np.int64) if is_view else np.diff(bounds)
    if is_null is not None:
        starts, sizes = np.where(is_null, 0, starts), np.where(is_null, 0, sizes)
    first, end = _bounds(starts, sizes)
    return starts - first, sizes, values.values.slice(first, end - first)


def _bounds(starts: Offsets, sizes: Offsets) -> tuple[int, int]:
    """The part of the child array that any row needs."""
    has_items = sizes > 0
    if not has_items.any():
        return 0, 0
    return int(starts[has_items].min()), int((starts + sizes)[has_items].max())


def _items(starts: Offsets, sizes: Offsets) -> tuple[Offsets, Offsets]:
    """Item offsets of the rows, and the items' positions."""
    item_offsets = np.zeros(sizes.size + 1, np.int64)
    np.cumsum(sizes, out=item_offsets[1:])
    return item_offsets, np.repeat(starts - item_offsets[:-1], sizes) + np.arange(item_offsets[-1])


def _struct_cells(values: pa.Array, is_null: Mask | None, depth: Words, encode: Encode) -> WordCells:
    """Fields ordered by name, each as its name's cell and its own, so that the order of fields does not count."""
    names = [field.name for field in values.type]
    order = sorted(range(len(names)), key=lambda i: names[i].encode())
    n, k = len(values), len(names)
    blocks = [_name_cell(names[i]) for i in order] + [to_words(encode(plain(values.field(i)))) for i in order]
    inner = _joined(blocks)
    rows, fields = np.arange(n)[:, None], np.arange(k)[None, :]
    items = np.stack([np.broadcast_to(fields, (n, k)), k + fields * n + rows], axis=2).reshape(-1)
    tags, seconds = _headers(w.STRUCT, np.full(n, k), is_null, depth)
    return WordCells(*gather_cells(tags, seconds, np.arange(n + 1) * 2 * k, items, inner.offsets, inner.words))


def _name_cell(name: str) -> WordCells:
    words = np.array(w.bytes_words(w.STRING, name.encode()), dtype=np.uint64)
    return WordCells(np.array([0, words.size]), words)


def _joined(blocks: list[WordCells]) -> WordCells:
    if not blocks:
        return WordCells(np.zeros(1, np.int64), np.empty(0, np.uint64))
    starts = np.cumsum([0, *(block.words.size for block in blocks[:-1])])
    offsets = [block.offsets[1:] + start for block, start in zip(blocks, starts, strict=True)]
    return WordCells(
        np.concatenate([np.zeros(1, np.int64), *offsets]), np.concatenate([block.words for block in blocks])
    )


def _map_cells(values: pa.Array, is_null: Mask | None, depth: Words, encode: Encode) -> WordCells:
    """Entries in the order of their words, which start with the key's: the order of a map's entries does not count."""
    bounds = values.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    sizes = np.diff(bounds) if is_null is None else np.where(is_null, 0, np.diff(bounds))
    first, end = _bounds(bounds[:-1], sizes)
    keys, held = (child.slice(first, end - first) for child in (values.keys, values.items))
    item_offsets, items = _items(bounds[:-1] - first, sizes)
    inner = _joined([to_words(encode(keys)), to_words(encode(held))])
    m = items.size
    pairs = np.stack([items, items + len(keys)], axis=1).reshape(-1)
    tags, seconds = _headers(w.ENTRY, np.full(m, 2), None, depth)
    offsets, words = gather_cells(tags, seconds, np.arange(m + 1) * 2, pairs, inner.offsets, inner.words)
    order = sort_items(item_offsets, offsets, words)
    tags, seconds = _headers(w.MAP, sizes, is_null, depth)
    return WordCells(*gather_cells(tags, seconds, item_offsets, order, offsets, words))


KERNELS: tuple[Any, ...] = (bytes_to_words, gather_cells, sort_items)
