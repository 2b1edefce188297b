"""The same verbs on an object store, which renames nothing."""

import pytest

import lakebed
from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import purge
from lakebed.tasks.quarantine.receipt import pointer_path
from lakebed.tasks.quarantine.recipes import RecipeRebuilder
from lakebed.tasks.quarantine.restore import restore
from tests.tasks.quarantine.keys import KEYS
from tests.tasks.quarantine.lakes import CHILDREN, child_rows, make_real_plan, snapshot
from tests.tasks.quarantine.s3 import BUCKET, s3_server, upload


@pytest.fixture(scope="module", autouse=True)
def _server():
    with s3_server():
        yield


class Case:
    def __init__(self, root):
        self.lake = LakeConfig(root=root)
        self.config = QuarantineConfig(grace_days=0)
        self.storage = Storage.at(root)
        self.rows_folder = root.replace("/lake-", "/rows-")
        self.plan = make_real_plan(self.lake, self.rows_folder)
        self.before = self.snapshot()

    def snapshot(self):
        return snapshot(self.storage)

    def hold(self, verb):
        return Quarantine.hold(self.lake.root, self.config, verb)

    def apply(self):
        with self.hold("apply") as quarantine:
            return apply_plan(quarantine, self.plan, RecipeRebuilder(KEYS, self.rows_folder))

    def restore(self):
        with self.hold("restore") as quarantine:
            return restore(quarantine, None, RecipeRebuilder(KEYS))

    def purge(self):
        with self.hold("purge") as quarantine:
            return purge(quarantine, None, RecipeRebuilder(KEYS))

    def phases(self):
        return {state.table: state.phase for state in Quarantine.look(self.lake.root, self.config).live()}


@pytest.fixture
def case(lake_template, request):
    return Case(upload(lake_template, f"lake-{abs(hash(request.node.name))}"))


def assert_answers(case):
    for name in CHILDREN:
        table = lakebed.open_table(f"{case.lake.root}/{name}")
        assert sorted(table["id"].to_pylist()) == child_rows(name)["id"].to_pylist(), name


def test_there_and_back(case):
    done = case.apply()
    assert len(done.receipts) == len(CHILDREN)
    assert set(case.phases().values()) == {Phase.SET_ASIDE}
    lying = [path for path in case.snapshot() if not path.startswith("_lakebed_quarantine/")]
    pointers = {pointer_path(name) for name in CHILDREN}
    assert set(lying) == pointers | {"all.parquet", "mixed/notes.txt"}
    assert_answers(case)
    assert set(case.restore().moved) == set(CHILDREN)
    assert case.snapshot() == case.before
    assert_answers(case)


def test_purged_and_rebuilt(case):
    case.apply()
    assert set(case.purge().tables) == set(CHILDREN)
    assert_answers(case)
    assert set(case.restore().rebuilt) == set(CHILDREN)
    assert_answers(case)
    assert not any("lakebed" in path for path in case.snapshot())


def test_two_at_once_are_refused_and_a_dead_claim_is_not_in_the_way(case):
    with case.hold("restore"):
        with pytest.raises(PlanError, match="another verb works"):
            case.apply()
    dead = b'{"verb": "apply", "host": "%s", "pid": 1, "created": 0.0}'
    import socket

    claim = "_lakebed_quarantine/claims/dead.json"
    case.storage.write_bytes_atomic(claim, dead % socket.gethostname().encode())
    case.apply()
    case.storage.write_bytes_atomic(claim, dead % b"elsewhere")
    with pytest.raises(PlanError, match="another verb works") as caught:
        case.restore()
    assert claim in caught.value.hint
    case.storage.delete_file(claim)
    case.restore()
    assert case.snapshot() == case.before


def test_an_object_overwritten_while_it_moves_is_not_lost(case, monkeypatch):
    from lakebed.tasks.quarantine.mover import ObjectMover

    copy = ObjectMover.copy_object

    def late_writer(self, route, source, target):
        copy(self, route, source, target)
        if source == "part.parquet":
            case.storage.write_bytes_atomic(source, b"a newer version of another size")

    monkeypatch.setattr(ObjectMover, "copy_object", late_writer)
    with pytest.raises(PlanError, match="part could not be set aside"):
        case.apply()
    monkeypatch.undo()
    assert case.storage.read_bytes("part.parquet") == b"a newer version of another size"


def test_another_bucket_is_refused(case):
    from lakebed.connectors.errors import ConfigError

    case.config = QuarantineConfig(folder="s3://elsewhere/aside")
    with pytest.raises(ConfigError, match="another store"):
        case.apply()
    case.config = QuarantineConfig(folder=f"s3://{BUCKET}/aside", grace_days=0)
    case.apply()
    case.restore()
    assert case.snapshot() == case.before
