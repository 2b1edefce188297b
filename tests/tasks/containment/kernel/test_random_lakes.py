"""The kernels from cells to verdicts, without files: many random small lakes against the brute force."""

import random

import numpy as np
import pyarrow as pa
import pytest

from lakebed.connectors.lake.leaves import batch_leaves, schema_leaves
from lakebed.tasks.containment.kernel import proof
from lakebed.tasks.containment.kernel.fingerprint import HashSettings, TableHasher
from lakebed.tasks.containment.kernel.proof import HashRows, compare_pairs
from tests.oracle.brute_force import Leaves, is_contained, schema_pairs
from tests.tasks.containment.test_search import NUMBERS, OTHERS

N_LAKES = 1_600
SHARES = 8
LONG = ["z" * n for n in (7, 8, 9, 63, 64, 65, 1_984, 1_985, 3_000)]
KINDS = [*NUMBERS, *OTHERS, (pa.string(), [None, "a\0", "a", *LONG]), (pa.list_(pa.int64()), [[1] * 90, [1] * 89])]


def random_lake(rng: random.Random) -> dict[str, pa.Table]:
    """Tables, and parts of them: some rows, in another order, some twice, some columns."""
    lake = {}
    for number in range(rng.randint(1, 3)):
        names = rng.sample("xyz", rng.randint(1, 3))
        n_rows = rng.choice([0, 1, 5, 40])
        kinds = [rng.choice(KINDS) for _ in names]
        lake[f"t{number}"] = pa.table([pa.array(rng.choices(held, k=n_rows), kind) for kind, held in kinds], names)
    for number in range(rng.randint(1, 4)):
        base = lake[rng.choice(sorted(lake))]
        places = rng.choices(range(base.num_rows), k=rng.randint(0, 60)) if base.num_rows else []
        if rng.random() < 0.3:
            places = rng.sample(range(base.num_rows), base.num_rows)
        names = rng.sample(base.column_names, rng.randint(1, base.num_columns))
        lake[f"p{number}"] = base.select(names).take(pa.array(places, pa.int64()))
    return lake


def row_hashes(table: pa.Table, projections: dict[int, list[str]], key: bytes) -> dict[int, np.ndarray]:
    hasher = TableHasher(projections, HashSettings(key), None)
    for batch in table.combine_chunks().to_batches():
        leaves = [leaf for leaf in schema_leaves(batch.schema) if leaf.token in hasher.tokens]
        hasher.add(batch_leaves(batch, leaves))
    return hasher.row_hashes()


def hashed(lake: dict[str, pa.Table], key: bytes) -> tuple[HashRows, list[str]]:
    """Row hashes of each table under the schema of each that it can hold; a schema is the number of its table."""
    names = sorted(lake)
    tokens = {name: [leaf.token for leaf in schema_leaves(lake[name].schema)] for name in names}
    blocks = []
    for number, name in enumerate(names):
        wanted = {place: tokens[other] for place, other in enumerate(names) if set(tokens[other]) <= set(tokens[name])}
        blocks += [(place, number, rows) for place, rows in row_hashes(lake[name], wanted, key).items()]
    first = np.cumsum([0, *(len(rows) for *_, rows in blocks)], dtype=np.int64)
    projection, table = (np.array(column) for column in (*zip(*((p, t) for p, t, _ in blocks), strict=True),))
    hashes = np.concatenate([rows for *_, rows in blocks])
    return HashRows(projection.astype(np.int64), table.astype(np.int32), first, hashes), names


@pytest.mark.parametrize("share", range(SHARES))
def test_verdicts_on_random_lakes_are_those_of_the_brute_force(share, monkeypatch):
    monkeypatch.setattr(proof, "BUCKET_ROWS", 4)
    n_true = 0
    for seed in range(share, N_LAKES, SHARES):
        rng = random.Random(seed)
        lake, key = random_lake(rng), rng.randbytes(32)
        rows, names = hashed(lake, key)
        leaves = {name: Leaves(lake[name]) for name in names}
        pairs = [(names.index(a), names.index(b)) for a, b in schema_pairs(leaves) if not leaves[a].is_vacuous]
        if not pairs:
            continue
        child, parent = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
        for semantics in ("set", "bag"):
            found = compare_pairs(rows, (child.astype(np.int64), child, parent), key, is_bag=semantics == "bag")
            counts = found.digested(key)
            truth = [is_contained(leaves[names[a]], leaves[names[b]], semantics) for a, b in pairs]
            assert (counts.n_missing == 0).tolist() == truth, seed
            assert np.array_equal(counts.child_hash[truth], counts.matched_hash[truth]), seed
            assert counts.n_child_rows.tolist() == [leaves[names[a]].n_rows for a, _ in pairs], seed
            n_true += sum(truth)
    assert n_true > N_LAKES // SHARES
