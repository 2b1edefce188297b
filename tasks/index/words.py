"""The words of names and values beside the index, memory-mapped: what `similar` compares, and `joinable` at last.

like_term.npy like_column_idf.npy like_table_idf.npy                    each term's hash, and how rare it is
like_columns_*.npy like_tables_*.npy like_holders_*.npy                 sparse rows: indptr, item, weight
spell_term.npy spell_idf.npy spell_{indptr,item,weight}.npy             how values are spelled, the same way
"""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.tasks.index.kernel.likeness import Likeness, Rows, Terms, likeness_of, terms_of
from lakebed.tasks.index.kernel.spelling import Spelling, spelling_of
from lakebed.tasks.keys.kernel.columns import Lake

TERMS, ROWS, PARTS = ("term", "column_idf", "table_idf"), ("columns", "tables", "holders"), ("indptr", "item", "weight")
SPELLED = ("spell_term", "spell_idf", *(f"spell_{part}" for part in PARTS))
ARRAYS = (*(f"like_{name}" for name in TERMS), *(f"like_{name}_{part}" for name in ROWS for part in PARTS), *SPELLED)
# fewer values, or fractions, are no key to join by
MIN_SPELLED = 8


def lake_terms(lake: Lake, column_values: pa.Table) -> Terms:
    """The terms of a lake's columns; values that are numbers have none.

    Args:
        lake: the columns.
        column_values: of the lake graph, in the order of the columns.
    """
    texts = column_values["texts"]
    is_text = pc.equal(column_values["value_kind"], "text")
    return terms_of(lake.names, lake.position.tolist(), pc.if_else(is_text, texts, pa.scalar([], texts.type)))


def word_arrays(lake: Lake, column_values: pa.Table) -> Mapping[str, NDArray[Any]]:
    """The arrays by the names of their files."""
    column_values = column_values.select(["node_id", "value_kind", "n_folded", "texts"]).sort_by("node_id")
    terms = lake_terms(lake, column_values)
    found = likeness_of(terms, lake.table_of, len(lake.tables))
    rows = (getattr(getattr(found, name), part) for name in ROWS for part in PARTS)
    spelled = spelling_of(spelled_texts(column_values))
    held = (spelled.term, spelled.idf, *(getattr(spelled.rows, part) for part in PARTS))
    return dict(zip(ARRAYS, (*(getattr(found, name) for name in TERMS), *rows, *held), strict=True))


def spelled_texts(column_values: pa.Table) -> pa.ChunkedArray:
    """The values as text of columns that others could refer to by another spelling; empty lists for the others."""
    is_key = pc.is_in(column_values["value_kind"], pa.array(["text", "int"]))
    is_key = pc.and_(is_key, pc.greater_equal(column_values["n_folded"], MIN_SPELLED))
    texts = column_values["texts"]
    return pc.if_else(is_key, texts, pa.scalar([], texts.type))


def likeness_of_files(read: Callable[[str], NDArray[Any]]) -> Likeness:
    """The terms as they were written; arrays stay mapped.

    Args:
        read: opens an array by its name.
    """
    rows = {name: Rows(*(read(f"like_{name}_{part}") for part in PARTS)) for name in ROWS}
    term, column_idf, table_idf = (read(f"like_{name}") for name in TERMS)
    return Likeness(term, column_idf, table_idf, **rows)


def spelling_of_files(read: Callable[[str], NDArray[Any]]) -> Spelling:
    """The spelling as it was written; arrays stay mapped.

    Args:
        read: opens an array by its name.
    """
    term, idf, *rows = (read(name) for name in SPELLED)
    return Spelling(term, idf, Rows(*rows))
