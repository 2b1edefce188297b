"""What is other since an earlier run: tables, containments, keys, what may go, and what was made anew for it."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.artifacts import newest_run, refs_of
from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.lake.change import mark
from lakebed.results import Result
from lakebed.tasks.report.model import Listing, Section
from lakebed.tasks.retention.words import period_text
from lakebed.tasks.runtime.artifacts import ArtifactStore, Manifest
from lakebed.tasks.runtime.record import RunRecord, find_run, iterate_runs
from lakebed.words import changes_text, counted, human_bytes

INVENTORY = "inventory"
What = Literal["table", "containment", "key", "decision"]
How = Literal["new", "gone", "changed"]
KINDS: tuple[What, ...] = ("table", "containment", "key", "decision")
HOWS: tuple[How, ...] = ("new", "gone", "changed")
_SHOWN_IN_REPORT = 100
_SHOWN_COLUMNS = 5
# of a run's id that says when
_SECOND = len("20261130T102342")
# by what a thing of each kind is told from others, and the table that holds them
_HELD: Mapping[What, tuple[str, str, tuple[str, ...]]] = {
    "containment": ("containment", "edges", ("child", "parent")),
    "key": ("keys", "foreign_keys", ("child", "column", "parent", "parent_column")),
    "decision": ("retention", "decisions", ("name", "decision")),
}
_WORDS: Mapping[What, Callable[..., str]] = {
    "containment": "{} in {}".format,
    "key": "{}.{} = {}.{}".format,
}


@dataclass(frozen=True)
class Change:
    """One thing that is other than it was.

    Attributes:
        what: a `table`, a `containment` that is proven, a `key`, or the `decision` on a table.
        how: whether it is `new`, `gone` or `changed`.
        name: of the table; `child in parent`; `child.column = parent.column`.
        why: what of it is other, in words; empty where that is all.
    """

    what: What
    how: How
    name: str
    why: str = ""


@dataclass(frozen=True)
class StageChange:
    """What became of a stage.

    Attributes:
        is_same: whether its artifact says what the earlier one said.
        reused: whether nothing was made.
        taken_over: what it took from the earlier artifact and what it made, where it counts that.
        why: what of its inputs, settings or code is other; empty where nothing is.
    """

    stage: str
    is_same: bool
    reused: bool
    seconds: float
    bytes_read: int
    taken_over: str
    why: str


class Changes(Result[Change]):
    """What is other in a run than in an earlier one, tables first.

    Attributes:
        before, after: ids of the two runs.
        stages: what became of each stage.
        saving: what deleting may save a month, before and after, in words; empty where either run did not decide.
    """

    def __init__(
        self,
        runs: tuple[str, str],
        rows: Iterable[Change],
        stages: Sequence[StageChange],
        saving: tuple[str, str] = ("", ""),
    ) -> None:
        self.before, self.after = runs
        self.stages, self.saving = tuple(stages), saving
        super().__init__(Change, rows, f"changes from run {self.before} to {self.after}")

    def of(self, what: What) -> Result[Change]:
        """Those of one kind."""
        return Result(Change, (row for row in self if row.what == what), f"{self.title}: {what}s")

    def text(self) -> str:
        """In a line: `tables: 2 new, 1 changed; containments: 1 gone`; empty where nothing is other."""
        told = []
        for what in KINDS:
            counts = ((sum(row.what == what and row.how == how for row in self), how) for how in HOWS)
            if parts := [f"{n:,} {how}" for n, how in counts if n]:
                told.append(f"{what}s: {', '.join(parts)}")
        return "; ".join(told)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "before": self.before,
            "after": self.after,
            "changes": [asdict(row) for row in self],
            "stages": [asdict(stage) for stage in self.stages],
            "saving": {"before": self.saving[0], "after": self.saving[1]},
        }


def changes(root: str, before: str | None = None, after: str | None = None, only: RunRecord | None = None) -> Changes:
    """What is other in a run than in an earlier one.

    Args:
        root: of the artifacts.
        before: id of the earlier run, or how it begins; the one before the later run where none is named.
        after: id of the later run; the newest with an inventory where none is named.
        only: the later run itself, in the place of its id.

    Raises:
        ArtifactError: if there is no such run, or none before it, or its artifacts are gone.
    """
    later = only or (newest_run(root, INVENTORY) if after is None else find_run(root, after))
    earlier = _run_before(root, later) if before is None else find_run(root, before)
    return compare(ArtifactStore(root), earlier, later)


def changes_since_last(store: ArtifactStore, record: RunRecord) -> Changes | None:
    """What is other than in the run before; None where there is none, or its artifacts are gone."""
    try:
        return compare(store, _run_before(store.root, record), record)
    except ArtifactError:
        return None


def compare(store: ArtifactStore, earlier: RunRecord, later: RunRecord) -> Changes:
    """As `changes`, of two records."""
    runs = [_Made(store, record) for record in (earlier, later)]
    before, after = runs
    rows = list(_table_changes(before, after))
    for what, (stage, _, _) in _HELD.items():
        if stage in before.refs and stage in after.refs and before.refs[stage].digest != after.refs[stage].digest:
            rows += _held_changes(what, before, after)
    savings = tuple(made.saving() for made in runs)
    stages = [_stage_change(stage.stage, before, after) for stage in later.stages]
    return Changes((earlier.run_id, later.run_id), rows, stages, (savings[0], savings[1]))


def section(found: Changes) -> Section:
    """The changes as a section of the report."""
    rows = tuple((row.what, row.how, row.name, row.why) for row in found[:_SHOWN_IN_REPORT])
    stages = tuple(
        (one.stage, _done(one), one.why, one.taken_over, f"{one.seconds:,.1f}", human_bytes(one.bytes_read))
        for one in found.stages
    )
    lead = f"Since run {found.before}: {found.text() or 'nothing is other'}." + _saving_text(found)
    return Section(
        "changes",
        "Changes",
        "What changed since the run before",
        lead,
        (
            Listing("Tables, containments, keys, decisions", ("what", "", "name", "why"), rows, n_all=len(found)),
            Listing("Stages", ("stage", "", "because", "taken over", "seconds", "read"), stages, right=(4, 5)),
        ),
    )


def _saving_text(found: Changes) -> str:
    was, now = found.saving
    return f" Deleting what may go would save {now}; it was {was}." if was and now and was != now else ""


def _done(stage: StageChange) -> str:
    return "as it was" if stage.reused else "made anew, with the same result" if stage.is_same else "made anew"


class _Made:
    """What a run made, read when it is asked for."""

    def __init__(self, store: ArtifactStore, record: RunRecord) -> None:
        self.store, self.record = store, record
        self.refs = refs_of(record)
        if INVENTORY not in self.refs:
            raise ArtifactError(
                "a run has made no inventory",
                value=record.run_id,
                expected="a run whose tables are known",
                hint=f"lakebed status --artifacts {store.root}",
            )

    def manifest(self, stage: str) -> Manifest | None:
        """Of the stage's artifact; None where the run made none."""
        return self.store.manifest(self.refs[stage]) if stage in self.refs else None

    def rows(self, stage: str, table: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Of a table of a stage's artifact."""
        found: list[dict[str, Any]] = self.store.read(self.refs[stage], table, list(columns)).to_pylist()
        return found

    def inventory(self) -> tuple[pa.Table, pa.Table, pa.Table]:
        """Tables, columns and files by the names of tables."""
        read = partial(self.store.read, self.refs[INVENTORY])
        tables = read("tables", ["table_id", "name", "format", "n_rows"]).sort_by("table_id")
        columns = read("columns", ["table_id", "token", "type"])
        files = read("files", ["table_id", "path", "size", "sha256", "etag", "mtime_ns"])
        # ids are dense
        named = (one.append_column("name", tables["name"].take(one["table_id"])) for one in (columns, files))
        return tables.drop_columns("table_id"), *(one.drop_columns("table_id") for one in named)

    def saving(self) -> str:
        """What deleting may save, in words."""
        if (manifest := self.manifest("retention")) is None:
            return ""
        return period_text(manifest.summary["saving_per_month"], manifest.summary["currency"])


def _run_before(root: str, later: RunRecord) -> RunRecord:
    """The newest run before another that was completed on the same lake and made an inventory.

    Raises:
        ArtifactError: if there is none.
    """
    found: RunRecord | None = None
    for record in iterate_runs(root):
        # ids tell runs of one second in any order
        if found is not None and record.run_id[:_SECOND] < found.run_id[:_SECOND]:
            break
        is_newest = found is None or record.started_at > found.started_at
        if is_newest and record.started_at < later.started_at and _is_comparable(record, later):
            found = record
    if found is not None:
        return found
    raise ArtifactError(
        "there is no earlier run to compare with",
        value=later.run_id,
        expected="two completed runs on one lake and one artifact root",
        hint="run again once the lake has changed; lakebed gc keeps as many runs as `gc.keep_runs` says",
    )


def _is_comparable(record: RunRecord, later: RunRecord) -> bool:
    has_tables = any(stage.stage == INVENTORY for stage in record.stages)
    return record.status == "completed" and has_tables and _lake_of(record) == _lake_of(later)


def _lake_of(record: RunRecord) -> str:
    return str(record.config.get("lake", {}).get("root", ""))


@dataclass(frozen=True)
class _Table:
    """What is known of a table: how it is kept, its rows, its columns with types, its files with their marks."""

    format: str
    n_rows: int
    columns: dict[str, str]
    files: dict[str, str]

    def why_not(self, was: "_Table") -> str:
        """What is other than it was, in words; empty where nothing is."""
        told = [f"{was.format} became {self.format}"] if was.format != self.format else []
        new, gone = self.columns.keys() - was.columns.keys(), was.columns.keys() - self.columns.keys()
        told += [f"columns {_listed(new)} new"] if new else []
        told += [f"columns {_listed(gone)} gone"] if gone else []
        kept = self.columns.keys() & was.columns.keys()
        told += [
            f"{_plain(token)} was {was.columns[token]}, is {self.columns[token]}"
            for token in sorted(kept)
            if was.columns[token] != self.columns[token]
        ][:_SHOWN_COLUMNS]
        told += self._files_told(was)
        if told and self.n_rows != was.n_rows:
            told.append(f"{self.n_rows - was.n_rows:+,} rows")
        return ", ".join(told)

    def _files_told(self, was: "_Table") -> list[str]:
        new, gone = self.files.keys() - was.files.keys(), was.files.keys() - self.files.keys()
        other = sum(self.files[path] != was.files[path] for path in self.files.keys() & was.files.keys())
        counts = ((len(new), "new"), (len(gone), "gone"), (other, "rewritten"))
        return [f"{counted(n, 'file')} {how}" for n, how in counts if n]


def _table_changes(before: _Made, after: _Made) -> Iterator[Change]:
    if before.refs[INVENTORY].key == after.refs[INVENTORY].key:
        return
    runs = before.inventory(), after.inventory()
    names = {name for facts in zip(*runs, strict=True) for name in _others(*facts)}
    was, now = (_tables(facts, names) for facts in runs)
    for name in sorted(names):
        if name not in was:
            yield Change("table", "new", name, f"{now[name].n_rows:,} rows")
        elif name not in now:
            yield Change("table", "gone", name)
        elif why := now[name].why_not(was[name]):
            yield Change("table", "changed", name, why)


def _others(was: pa.Table, now: pa.Table) -> set[str]:
    """The names of tables of which some row is in one of the two only."""
    only = [one.join(other, one.column_names, join_type="left anti")["name"] for one, other in ((was, now), (now, was))]
    return {name for names in only for name in names.to_pylist()}


def _tables(facts: tuple[pa.Table, pa.Table, pa.Table], names: Collection[str]) -> dict[str, _Table]:
    """Those of these names; O(their columns and files)."""
    wanted = pa.array(sorted(names), pa.string())
    tables, columns, files = (table.filter(pc.is_in(table["name"], value_set=wanted)).to_pylist() for table in facts)
    found = {row["name"]: _Table(row["format"], row["n_rows"], {}, {}) for row in tables}
    for row in columns:
        found[row["name"]].columns[row["token"]] = row["type"]
    for row in files:
        found[row["name"]].files[row["path"]] = f"{row['size']} {mark(row['sha256'], row['etag'], row['mtime_ns'])}"
    return found


def _held_changes(what: What, before: _Made, after: _Made) -> Iterator[Change]:
    stage, table, columns = _HELD[what]
    was, now = (
        {tuple(row[name] for name in columns) for row in made.rows(stage, table, columns)} for made in (before, after)
    )
    if what == "decision":
        yield from _decisions(was, now)
        return
    said = _WORDS[what]
    yield from (Change(what, "new", said(*found)) for found in sorted(now - was))
    yield from (Change(what, "gone", said(*found)) for found in sorted(was - now))


def _decisions(was: set[tuple[Any, ...]], now: set[tuple[Any, ...]]) -> Iterator[Change]:
    """A new table that is kept is no news."""
    old = dict(was)
    for name, decision in sorted(now - was):
        if name in old or decision == "delete":
            may = "may go" if decision == "delete" else "is kept, and might have gone before"
            yield Change("decision", "changed", name, may)


def _stage_change(stage: str, before: _Made, after: _Made) -> StageChange:
    record = next(one for one in after.record.stages if one.stage == stage)
    is_same = stage in before.refs and before.refs[stage].digest == after.refs[stage].digest
    taken = why = ""
    if not record.reused:
        taken = changes_text(record.changes) or (f"nothing: {record.anew}" if record.anew else "")
        why = "asked for with --full" if after.record.config.get("full") else "its artifact was gone or not whole"
        if stage not in before.refs or before.refs[stage].key != after.refs[stage].key:
            why = _why(before.manifest(stage), after.manifest(stage))
    return StageChange(stage, is_same, record.reused, record.seconds, record.bytes_read, taken, why)


def _why(was: Manifest | None, now: Manifest | None) -> str:
    """What of a stage's inputs, settings or code is other."""
    if was is None or now is None:
        return "the earlier run did not reach it"
    if was.version != now.version:
        return "the stage's code is of another version"
    before, after = ({ref.stage: ref.digest for ref in manifest.inputs} for manifest in (was, now))
    if other := [stage for stage in after if before.get(stage) != after[stage]]:
        return f"{', '.join(other)} {'is' if len(other) == 1 else 'are'} other"
    return "the lake's files are other" if was.family == now.family else "settings are other"


def _listed(tokens: Iterable[str]) -> str:
    names = sorted(map(_plain, tokens))
    more = f" and {len(names) - _SHOWN_COLUMNS:,} more" if len(names) > _SHOWN_COLUMNS else ""
    return ", ".join(names[:_SHOWN_COLUMNS]) + more


def _plain(token: str) -> str:
    return ".".join(map(str, json.loads(token)))
