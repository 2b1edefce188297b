import io
import random

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.files import file_digest
from lakebed.tasks.runtime.digest import digest_table, table_digest, table_multisets
from tests.tasks.runtime.conftest import EDGES, edge_rows


@given(st.integers(0, 30), st.integers(1, 30), st.randoms(use_true_random=False))
def test_row_order_and_batches_do_not_matter(n_rows, chunk, shuffler):
    rows = edge_rows(n_rows)
    digest = digest_table(EDGES, EDGES.table(rows))
    shuffler.shuffle(rows)
    chunks = [EDGES.table(rows[i : i + chunk]) for i in range(0, n_rows, chunk)] or [EDGES.table([])]
    assert digest_table(EDGES, pa.concat_tables(chunks)) == digest
    parts = [part for piece in chunks for part in table_multisets(piece, EDGES.digested_names)]
    random.Random(1).shuffle(parts)
    assert table_digest(EDGES, n_rows, parts) == digest


def test_every_digested_cell_counts_and_others_do_not():
    rows = edge_rows(3)
    digest = digest_table(EDGES, EDGES.table(rows))
    for change in ({"chance": None}, {"chance": -0.0}, {"parent": "c"}, {"n_parent": 9}):
        assert digest_table(EDGES, EDGES.table([rows[0] | change, *rows[1:]])) != digest
    assert digest_table(EDGES, EDGES.table([rows[0] | {"seen_ns": 1}, *rows[1:]])) == digest


def test_multiplicities_and_swapped_cells_count():
    one, two = edge_rows(2)
    swapped = [one | {"parent": "x"}, two | {"parent": "y"}], [one | {"parent": "y"}, two | {"parent": "x"}]
    assert digest_table(EDGES, EDGES.table(swapped[0])) != digest_table(EDGES, EDGES.table(swapped[1]))
    assert digest_table(EDGES, EDGES.table([one, one, two])) != digest_table(EDGES, EDGES.table([one, two, two]))


def test_strict_zero():
    one = edge_rows(1)[0]
    zero, negative = (digest_table(EDGES, EDGES.table([one | {"chance": value}])) for value in (0.0, -0.0))
    assert zero != negative


def test_file_digest_is_sha256():
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert file_digest(io.BytesIO(b"")) == empty
