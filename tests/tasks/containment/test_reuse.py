"""What is reused of the previous scan, and what is read besides, are together what a scan of everything gives."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.hash_files import read_hash_rows
from lakebed.tasks.containment.jobs import PairList
from lakebed.tasks.containment.previous import load_state, save_state
from lakebed.tasks.containment.reuse import Previous, plan_reuse
from lakebed.tasks.containment.samples import ContentScan, gather
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlaces, plan_scan, scan_splits
from lakebed.tasks.containment.search import sketch
from lakebed.tasks.runtime.artifacts import ArtifactStore, Manifest
from lakebed.tasks.scan.splits import pack_splits, plan_splits
from tests.seeds import seeds
from tests.tasks.containment.conftest import BASE
from tests.tasks.containment.lakes import scan_here, verify_here, view_of, workspace_of, write_lake
from tests.tasks.edits import EditedLake

N_ROUNDS = 6


class Scans:
    """Scans of one lake, each reusing what the one before knows, in this process."""

    def __init__(self, folder, config):
        self.folder, self.config = folder, config
        self.workspace = workspace_of(folder)
        self.store = ArtifactStore(self.workspace.artifacts)
        self.previous = None
        self._number = 0

    def next(self):
        """View, scan that reuses what it can, and the same from scratch; `reuse` says what was."""
        self._number += 1
        view, staged = view_of(self.workspace, self.config)
        path = f"containment/{self._number}"
        places = ScanPlaces(staged, self.store.storage.uri(path, "row_hashes"))
        previous = Previous(self.store, self.previous, path) if self.previous else None
        plan = plan_scan(view.lake, view.survey.roles, self.config, self.workspace, places)
        self.reuse = reuse = plan_reuse(previous, view.tables, view.lake, plan)
        splits = plan_splits(reuse.inventory, sorted(plan.tables), self.config.target_split_bytes)
        batches = [batch for task in pack_splits(splits, 2) for batch in scan_splits(plan, task)]
        scanned = pa.concat_tables([reuse.rows, pa.Table.from_batches(batches, SCAN_SCHEMA)])
        content = ContentScan(plan, gather(scanned, plan, view.survey.roles, view.lake), {})
        self._keep(view, content, path)
        scratch = ScanPlaces(staged, str(self.folder / f"scratch {self._number}"))
        return view, content, scan_here(view, self.config, self.workspace, scratch)

    def _keep(self, view, content, path):
        is_bag = self.config.semantics == "bag"
        pairs = sketch(view, content, is_bag=is_bag).unrefuted()
        verified = verify_here(view, content, pairs, self.config, self.reuse.tables)
        save_state(self.store.storage, path, view, content, verified)
        stage, key = path.split("/")
        self.previous = load_state(self.store.storage, Manifest(stage=stage, key=key, digest="", version=1))


def hash_rows(content):
    """All row hashes in one order, as bytes."""
    tables = np.array(sorted(content.plan.tables), np.int32)
    rows = read_hash_rows(content.plan.out_uri, [file.path for file in content.result.files], tables)
    sizes = np.diff(rows.first)
    keys = (np.repeat(rows.projection, sizes).tolist(), np.repeat(rows.table, sizes).tolist())
    return sorted(zip(*keys, rows.hashes.tolist(), strict=True))


def assert_same_scan(one, other, log):
    for kind in ("rows", "values"):
        mine, theirs = vars(getattr(one.result, kind)), vars(getattr(other.result, kind))
        for name in mine:
            assert np.array_equal(mine[name], theirs[name]), (kind, name, log)
    assert one.result.digests == other.result.digests, log
    assert hash_rows(one) == hash_rows(other), log
    assert one.result.errors == other.result.errors == {}


@pytest.mark.parametrize("seed", seeds(8, 3))
def test_an_edited_lake_gives_the_same_scan(tmp_path, seed):
    semantics = "bag" if seed % 2 else "set"
    # few rows a bucket and a sample: buckets split as the lake grows, levels rise
    config = ContainmentConfig(semantics=semantics, rows_per_bucket=1 << 10, sketch_rows=16)
    lake = EditedLake(tmp_path / "lake", BASE, seed, has_text=False)
    scans = Scans(tmp_path, config)
    scans.next()
    n_reused = n_grown = 0
    for _ in range(N_ROUNDS):
        for _ in range(1 + seed % 3):
            lake.edit()
        before = scans.previous
        view, content, scratch = scans.next()
        assert_same_scan(content, scratch, lake.log)
        assert content.result.bytes_read < scratch.result.bytes_read
        changes = scans.reuse.changes(content.plan, view.lake)
        n_reused, n_grown = n_reused + changes["tables_reused"], n_grown + changes["tables_appended"]
        assert sum(changes.values()) - changes["tables_dropped"] == len(content.plan.tables)
        assert_pairs_known(view, scans, scratch, before)
    assert n_reused > 0


def assert_pairs_known(view, scans, scratch, previous):
    """Every pair whose counts are reused has the counts that comparing it gives."""
    config = scans.config
    pairs = sketch(view, scratch, is_bag=config.semantics == "bag").unrefuted()
    ids = [scratch.plan.projections[schema][0] for schema in view.lake.groups.schema_of_table[pairs.child].tolist()]
    places, known = scans.reuse.known_pairs(PairList(np.array(ids, np.int64), pairs.child, pairs.parent, bytes(32)))
    counts = verify_here(view, scratch, pairs, config).counts
    is_known = np.flatnonzero(places >= 0)
    mine, theirs = known.take(places[is_known]), counts.take(is_known)
    assert np.array_equal(mine.numbers(), theirs.numbers())
    # hashes are sums over the buckets in which nothing is missing: of refuted pairs they say nothing
    is_proven = mine.n_missing == 0
    assert np.array_equal(mine.child_hash[is_proven], theirs.child_hash[is_proven])
    assert np.array_equal(mine.matched_hash[is_proven], theirs.matched_hash[is_proven])
    assert known is previous.pairs.counts


def test_rows_appended_cost_their_own_bytes(tmp_path):
    lake = EditedLake(tmp_path / "lake", BASE, 0, has_text=False)
    scans = Scans(tmp_path, ContainmentConfig())
    scans.next()
    (new,) = [BASE.slice(0, 50)]
    pa.parquet.write_table(new, path := lake.root / "parts_whole" / "part-10000.parquet")
    _, content, scratch = scans.next()
    assert_same_scan(content, scratch, "append")
    assert list(scans.reuse.grown.values()) == [frozenset({"parts_whole/part-10000.parquet"})]
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


WIDE = pa.table({"x": list(range(40)), "y": [f"y{n}" for n in range(40)]})


@pytest.fixture
def wide_scans(tmp_path):
    # the narrow table asks for one column of the wide ones, their copies for both
    tables = {"one": WIDE, "two": WIDE, "narrow": WIDE.select(["x"]).slice(0, 9)}
    write_lake(tmp_path / "lake", tables)
    return Scans(tmp_path, ContainmentConfig())


def test_a_file_of_which_fewer_columns_are_wanted_is_no_more_read_as_a_whole(wide_scans):
    scans = wide_scans
    _, first, _ = scans.next()
    path = scans.folder / "lake" / "one.parquet"
    assert first.result.digests["one.parquet"] == hashlib.sha256(path.read_bytes()).hexdigest()
    (scans.folder / "lake" / "two.parquet").unlink()
    _, content, scratch = scans.next()
    assert_same_scan(content, scratch, "fewer columns")
    assert "one.parquet" not in content.result.digests
    assert content.result.bytes_read == 0


def test_a_projection_that_was_not_hashed_costs_its_table(wide_scans):
    scans = wide_scans
    scans.next()
    write_lake(scans.folder / "lake", {"other": WIDE.select(["y"]).slice(3, 9)})
    view, content, scratch = scans.next()
    assert_same_scan(content, scratch, "new projection")
    reused = {view.lake.names[table] for table in scans.reuse.tables}
    assert reused == {"narrow"}


def test_what_is_gone_is_counted(wide_scans):
    scans = wide_scans
    scans.next()
    (scans.folder / "lake" / "narrow.parquet").unlink()
    pq.write_table(WIDE.slice(0, 5), scans.folder / "lake" / "part.parquet")
    view, content, _ = scans.next()
    changes = scans.reuse.changes(content.plan, view.lake)
    assert changes == {"tables_reused": 2, "tables_appended": 0, "tables_read": 1, "tables_dropped": 1}
