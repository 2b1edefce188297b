"""Lakes to which others go on writing, from end to end through the command line: each act in its turn."""

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import lakebed
from lakebed.data_samples.growing_lakes import growing_lake
from tests.flows.processes import lakebed as call

pytestmark = [pytest.mark.flow, pytest.mark.heavy]

CONFIG = 'artifacts = "artifacts"\n[lake]\nroot = "lake"\n[quarantine]\ngrace_days = 0\n'


def done(*arguments, folder):
    answer = call(*arguments, folder=folder)
    assert answer.status == 0, answer.err
    return answer


def same_rows(found, expected):
    """Whether two tables have the same rows, whatever their order; partition columns do not count."""
    names = expected.schema.names
    order = [(names[0], "ascending")]
    return found.select(names).sort_by(order).cast(expected.schema).equals(expected.sort_by(order))


class Story:
    """One lake in a folder, what is true of it, and the verbs on it."""

    def __init__(self, folder, seed):
        self.folder, self.root, self.lake = folder, folder / "lake", growing_lake(seed)
        self.day = self.lake.n_days
        self.lake.write(self.root)
        (folder / "lakebed.toml").write_text(CONFIG)

    def verb(self, *arguments):
        return done(*arguments, folder=self.folder)

    def night(self):
        """Others write a new day of each table, and late rows of an old one."""
        self.lake.grow(self.root, self.day)
        self.day += 1

    def require_answers(self, names=None):
        """Every extract is read with its rows, wherever it is."""
        for name, (table, extract) in self.lake.extracts.items():
            if names is None or name in names:
                assert same_rows(lakebed.open_table(f"{self.root}/{name}"), table.extracted(extract)), name

    def require_grown(self):
        """The tables that grow have the rows of all days that were written."""
        days = [*range(self.day), *(day + 100 for day in range(self.lake.n_days, self.day))]
        for table in self.lake.tables:
            assert same_rows(lakebed.open_table(f"{self.root}/{table.name}"), table.rows(days)), table.name


@pytest.mark.parametrize("seed", range(2))
def test_others_write_on_through_plan_apply_purge_and_restore(tmp_path, seed):
    story = Story(tmp_path, seed)
    names = set(story.lake.extracts)
    story.verb("run", "--to", "retention")
    story.night()
    plan = story.verb("plan", "--json").json
    assert {table["name"] for table in plan["tables"] if table["decision"] == "delete"} == names
    story.night()
    assert story.verb("apply", "plan.json", "--dry-run", "--json").json["left"] == []
    applied = story.verb("apply", "plan.json", "--yes", "--json").json
    assert ({one["table"] for one in applied["tables"]}, applied["left"]) == (names, [])
    story.night()
    assert story.verb("status", "--json").json["warnings"] == []
    story.require_answers()
    story.require_grown()

    half = sorted(names)[:5]
    assert set(story.verb("restore", *half, "--json").json["moved"]) == set(half)
    purged = story.verb("purge", "--all", "--yes", "--json").json
    assert (set(purged["tables"]), purged["waiting"]) == (names - set(half), [])
    story.night()
    assert story.verb("status", "--json").json["warnings"] == []
    story.require_answers()
    assert set(story.verb("restore", "--all", "--json").json["rebuilt"]) == names - set(half)
    story.require_answers()
    story.require_grown()
    assert not (story.root / "_lakebed_quarantine").exists()
    # the restored lake is read as any other, and what is set aside again goes as before
    story.verb("run", "--to", "retention")
    again = story.verb("plan", "--json").json
    assert {table["name"] for table in again["tables"] if table["decision"] == "delete"} == names


def test_a_job_that_writes_on_is_told_and_the_old_tables_come_back_beside_it(tmp_path):
    story = Story(tmp_path, 2)
    names = sorted(story.lake.extracts)
    story.verb("run", "--to", "retention")
    story.verb("plan")
    story.verb("apply", "plan.json", "--yes")
    story.verb("purge", *names[::2], "--yes")
    new = {name: story.lake.write_again(story.root, name, story.day) for name in names}
    warnings = story.verb("status", "--json").json["warnings"]
    assert len(warnings) == len(names) and all("--beside" in line for line in warnings)
    assert {one["table"] for one in story.verb("status", "--json").json["quarantine"] if one["at_place"]} == set(names)
    told = call("run", "--to", "inventory", folder=tmp_path)
    assert told.status == 0 and told.err.count("--beside") == len(names)
    for name in names:
        with pytest.warns(UserWarning, match="--beside"):
            assert same_rows(lakebed.open_table(f"{story.root}/{name}"), new[name]), name
        refused = call("restore", name, "--json", folder=tmp_path)
        assert refused.status == 4 and f"--beside {name}_before" in refused.json["hint"]
        story.verb("restore", name, "--beside", f"{name}_before")
        table, extract = story.lake.extracts[name]
        assert same_rows(lakebed.open_table(f"{story.root}/{name}_before"), table.extracted(extract)), name
        assert same_rows(lakebed.open_table(f"{story.root}/{name}"), new[name]), name
    assert story.verb("status", "--json").json["warnings"] == []
    assert not (story.root / "_lakebed_quarantine").exists()


def spoiled(story, table):
    """Takes away from a table what recipes read."""
    place = story.root / table.name
    if table.layout == "log":
        DeltaTable(place).optimize.compact()
    elif table.layout == "partitioned_log":
        rows = table.rows([0])
        days = rows.append_column("day", pa.array([0] * rows.num_rows))
        write_deltalake(place, days, mode="overwrite", predicate="day = 0", partition_by=["day"])
    else:
        first = min(path for path in place.rglob("part-*"))
        first.unlink() if table.layout == "partitions" else first.write_bytes(first.read_bytes() + b"\n")


@pytest.mark.parametrize("when", ["apply", "purge"])
def test_what_takes_away_from_a_parent_keeps_its_extracts_alone(tmp_path, when):
    story = Story(tmp_path, 3)
    story.verb("run", "--to", "retention")
    story.verb("plan")
    if when == "purge":
        story.verb("apply", "plan.json", "--yes")
    for number, table in enumerate(story.lake.tables[1:], start=1):
        spoiled(story, table)
        safe = {extract.name for whole in story.lake.tables[number + 1 :] for extract in whole.extracts}
        safe |= {extract.name for extract in story.lake.tables[0].extracts}
        verb = ("apply", "plan.json", "--dry-run") if when == "apply" else ("purge", "--all", "--dry-run")
        found = story.verb(*verb, "--json").json
        if when == "apply":
            assert {one["table"] for one in found["tables"]} == safe, table.layout
            assert all("changed since the plan" in one["why"] for one in found["left"])
    if when == "purge":
        lines = [line for line in story.verb("status", "--json").json["warnings"] if "has changed" in line]
        assert [line.partition(" has")[0] for line in lines] == sorted(table.name for table in story.lake.tables[1:])
        purged = story.verb("purge", "--all", "--yes", "--json").json
        assert set(purged["tables"]) == {extract.name for extract in story.lake.tables[0].extracts}
        assert all("has changed" in one["why"] for one in purged["waiting"])
        story.verb("restore", "--all")
        story.require_answers()
