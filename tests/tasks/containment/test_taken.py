"""What is taken from an earlier scan, and what is read besides, are together what a scan of everything gives."""

import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.former import load_state, save_state
from lakebed.tasks.containment.hash_files import read_hash_rows
from lakebed.tasks.containment.plan import ScanPlaces, plan_scan
from lakebed.tasks.containment.samples import gather
from lakebed.tasks.containment.scan import SCAN_SCHEMA, scan_splits
from lakebed.tasks.containment.search import ContentScan, sketch
from lakebed.tasks.containment.spark import PairList
from lakebed.tasks.containment.taken import Earlier, take
from lakebed.tasks.inventory.splits import pack_splits, plan_splits
from lakebed.tasks.runtime.artifacts import ArtifactStore, Manifest
from tests.tasks.containment.conftest import BASE
from tests.tasks.containment.lakes import scan_here, verify_here, view_of, workspace_of
from tests.tasks.edits import EditedLake

N_ROUNDS = 6


class Scans:
    """Scans of one lake, each taking from the one before, in this process."""

    def __init__(self, folder, config):
        self.folder, self.config = folder, config
        self.workspace = workspace_of(folder)
        self.store = ArtifactStore(self.workspace.artifacts)
        self.former = None
        self._number = 0

    def next(self):
        """View, scan that takes what it can, and the same from scratch."""
        self._number += 1
        view, staged = view_of(self.workspace, self.config)
        path = f"containment/{self._number}"
        places = ScanPlaces(staged, self.store.storage.uri(path, "row_hashes"))
        earlier = Earlier(self.store, self.former, path) if self.former else None
        plan = plan_scan(view.lake, view.survey.roles, self.config, self.workspace, places)
        taken = take(earlier, view.tables, view.lake, plan)
        splits = plan_splits(taken.inventory, sorted(plan.tables), self.config.target_split_bytes)
        batches = [batch for task in pack_splits(splits, 2) for batch in scan_splits(plan, task)]
        scanned = pa.concat_tables([taken.rows, pa.Table.from_batches(batches, SCAN_SCHEMA)])
        content = ContentScan(plan, gather(scanned, plan, view.survey.roles, view.lake), {}, taken)
        self._keep(view, content, path)
        scratch = ScanPlaces(staged, str(self.folder / f"scratch {self._number}"))
        return view, content, scan_here(view, self.config, self.workspace, scratch)

    def _keep(self, view, content, path):
        is_bag = self.config.semantics == "bag"
        verified = verify_here(view, content, sketch(view, content, is_bag=is_bag).unrefuted(), self.config)
        save_state(self.store.storage, path, view, content, verified)
        stage, key = path.split("/")
        self.former = load_state(self.store.storage, Manifest(stage=stage, key=key, digest="", version=1))


def hash_rows(content):
    """All row hashes in one order, as bytes."""
    tables = np.array(sorted(content.plan.tables), np.int32)
    rows = read_hash_rows(content.plan.out_uri, [file.path for file in content.result.files], tables)
    columns = [rows.projection, rows.table, rows.hashes[:, 0].view(np.int64), rows.hashes[:, 1].view(np.int64)]
    return sorted(zip(*(column.tolist() for column in columns), rows.counts.tolist(), strict=True))


def assert_same_scan(one, other, log):
    for kind in ("rows", "values"):
        mine, theirs = vars(getattr(one.result, kind)), vars(getattr(other.result, kind))
        for name in mine:
            assert np.array_equal(mine[name], theirs[name]), (kind, name, log)
    assert one.result.digests == other.result.digests, log
    assert hash_rows(one) == hash_rows(other), log
    assert one.result.errors == other.result.errors == {}


@pytest.mark.parametrize("seed", range(8))
def test_an_edited_lake_gives_the_same_scan(tmp_path, seed):
    semantics = "bag" if seed % 2 else "set"
    # few rows a bucket and a sample: buckets split as the lake grows, levels rise
    config = ContainmentConfig(semantics=semantics, rows_per_bucket=1 << 10, sketch_rows=16)
    lake = EditedLake(tmp_path / "lake", BASE, seed, has_text=False)
    scans = Scans(tmp_path, config)
    scans.next()
    n_taken = n_grown = 0
    for _ in range(N_ROUNDS):
        for _ in range(1 + seed % 3):
            lake.edit()
        before = scans.former
        view, content, scratch = scans.next()
        assert_same_scan(content, scratch, lake.log)
        assert content.result.bytes_read < scratch.result.bytes_read
        changes = content.taken.reuse.changes(content.plan, view.lake)
        n_taken, n_grown = n_taken + changes["tables_taken"], n_grown + changes["tables_appended"]
        assert sum(changes.values()) - changes["tables_dropped"] == len(content.plan.tables)
        assert_pairs_known(view, content, scratch, before, config)
    assert n_taken > 0


def assert_pairs_known(view, content, scratch, former, config):
    """Every pair whose counts are taken has the counts that comparing it gives."""
    pairs = sketch(view, scratch, is_bag=config.semantics == "bag").unrefuted()
    ids = [content.plan.projections[schema][0] for schema in view.lake.groups.schema_of_table[pairs.child].tolist()]
    places, known = content.taken.known_pairs(PairList(np.array(ids, np.int64), pairs.child, pairs.parent))
    counts = verify_here(view, scratch, pairs, config).counts
    is_known = np.flatnonzero(places >= 0)
    mine, theirs = known.take(places[is_known]), counts.take(is_known)
    assert np.array_equal(mine.numbers(), theirs.numbers())
    # hashes are sums over the buckets in which nothing is missing: of refuted pairs they say nothing
    is_proven = mine.n_missing == 0
    assert np.array_equal(mine.child_hash[is_proven], theirs.child_hash[is_proven])
    assert np.array_equal(mine.matched_hash[is_proven], theirs.matched_hash[is_proven])
    assert known is former.pairs.counts


def test_rows_appended_cost_their_own_bytes(tmp_path):
    lake = EditedLake(tmp_path / "lake", BASE, 0, has_text=False)
    scans = Scans(tmp_path, ContainmentConfig())
    scans.next()
    (new,) = [BASE.slice(0, 50)]
    pa.parquet.write_table(new, path := lake.root / "parts_whole" / "part-10000.parquet")
    _, content, scratch = scans.next()
    assert_same_scan(content, scratch, "append")
    assert list(content.taken.reuse.grown.values()) == [frozenset({"parts_whole/part-10000.parquet"})]
    assert 0 < content.result.bytes_read <= path.stat().st_size


def test_an_unchanged_lake_costs_none(tmp_path):
    EditedLake(tmp_path / "lake", BASE, 0, has_text=False)
    scans = Scans(tmp_path, ContainmentConfig())
    _, first, _ = scans.next()
    _, content, scratch = scans.next()
    assert content.result.bytes_read == 0
    assert_same_scan(content, scratch, "nothing")
    one, other = (
        {file.path: (scans.store.storage.root, file.n_bytes) for file in scan.result.files} for scan in (first, content)
    )
    assert one == other


def test_a_finer_sample_than_was_kept_is_read_again(tmp_path):
    EditedLake(tmp_path / "lake", BASE, 0, has_text=False)
    scans = Scans(tmp_path, ContainmentConfig(sketch_rows=16))
    scans.next()
    scans.config = ContainmentConfig(sketch_rows=256)
    _, content, scratch = scans.next()
    assert_same_scan(content, scratch, "finer")
    assert content.result.bytes_read > 0
