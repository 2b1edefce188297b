"""kill -9 on an object store: at every step of the journal and around every copy and every deletion."""

import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import purge
from lakebed.tasks.quarantine.restore import restore
from lakebed.tasks.retention.plan import write_plan
from tests.tasks.quarantine.children import children
from tests.tasks.quarantine.lakes import SliceRebuilder, make_plan, snapshot
from tests.tasks.quarantine.s3 import s3_server, upload

pytestmark = [pytest.mark.heavy, pytest.mark.long]

NAMES = ("sub/text", "mixed")


@pytest.fixture(scope="module")
def forks():
    with s3_server(), children() as found:
        yield found


class Case:
    def __init__(self, template, root, folder):
        self.root = upload(template, root)
        self.lake = LakeConfig(root=self.root)
        self.config = QuarantineConfig(grace_days=0)
        self.plan = make_plan(self.lake, NAMES)
        self.plan_file = folder / f"{root}.json"
        write_plan(self.plan, self.plan_file)
        self.before = self.snapshot()

    def snapshot(self):
        return snapshot(Storage.at(self.root))

    def run(self, verb):
        with Quarantine.hold(self.root, self.config, verb) as quarantine:
            if verb == "apply":
                apply_plan(quarantine, self.plan, SliceRebuilder())
            else:
                (restore if verb == "restore" else purge)(quarantine, None, SliceRebuilder())

    def phases(self):
        return {state.phase for state in Quarantine.look(self.root, self.config).live()}


@pytest.mark.parametrize("verb", ["apply", "restore", "purge"])
def test_killed_at_every_moment_no_table_is_lost(lake_template, tmp_path, forks, verb):
    def fresh(name):
        case = Case(lake_template, f"{verb}-{name}", tmp_path)
        if verb != "apply":
            case.run("apply")
        return case

    whole = fresh("whole")
    moments = forks.moments(verb, whole.root, whole.plan_file)
    assert len(moments) >= 20
    for moment, what in enumerate(moments):
        case = fresh(moment)
        forks.kill(verb, case.root, case.plan_file, moment, what)
        if verb == "purge" and moment % 2 and Phase.PURGED not in case.phases():
            case.run("purge")
            assert case.phases() == {Phase.PURGED}
        elif verb == "apply" and moment % 2:
            case.run("apply")
            assert case.phases() == {Phase.SET_ASIDE}, what
        case.run("restore")
        after = case.snapshot()
        if verb == "purge":
            assert not any("lakebed" in path for path in after), what
            assert {"sub/text.csv", "mixed/part-0.parquet"} <= after.keys(), what
        else:
            assert after == case.before, what
