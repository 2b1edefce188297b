"""Real recipes: what `open_table` answers in every state, and tables rebuilt in their own format."""

import shutil
import stat
from datetime import date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakebed
from lakebed.connectors.errors import PlanError, SourceError
from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.kernel import Step
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import purge
from lakebed.tasks.quarantine.recipes import RecipeRebuilder
from lakebed.tasks.quarantine.restore import restore
from lakebed.tasks.runtime.hash_key import KEY_FILE, HashKeys
from tests.tasks.quarantine.keys import KEY, KEYS
from tests.tasks.quarantine.lakes import CHILDREN, child_rows, parent_rows


def applied(case):
    with Quarantine.hold(str(case.root), case.config, "apply") as quarantine:
        return apply_plan(quarantine, case.plan, RecipeRebuilder(KEYS, case.rows_folder))


def restored(case):
    with Quarantine.hold(str(case.root), case.config, "restore") as quarantine:
        return restore(quarantine, None, RecipeRebuilder(KEYS))


def purged(case):
    with Quarantine.hold(str(case.root), case.config, "purge") as quarantine:
        return purge(quarantine, None, RecipeRebuilder(KEYS))


def rows_of(table):
    return sorted(zip(*(table[name].to_pylist() for name in ("id", "name")), strict=True))


def answers(case):
    return {name: lakebed.open_table(f"{case.root}/{name}") for name in CHILDREN}


def assert_answers(case, before):
    for name, table in answers(case).items():
        assert rows_of(table) == rows_of(child_rows(name)), name
        assert table.schema.equals(before[name].schema), name


def test_every_table_is_answered_in_every_state_and_the_lake_ends_as_it_began(real):
    before = answers(real)
    assert_answers(real, before)
    applied(real)
    assert_answers(real, before)
    for path in ("part.parquet", "sub/text.csv", "part.lakebed.json", "days/", "sub/text.lakebed.json"):
        assert lakebed.open_table(f"{real.root}/{path}").num_rows > 0
    restored(real)
    assert real.snapshot() == real.before
    assert_answers(real, before)


def test_a_purged_table_is_answered_from_its_parents_and_comes_back_in_its_own_format(real):
    before, text = answers(real), (real.root / "sub" / "text.csv").read_bytes()
    applied(real)
    assert set(purged(real).tables) == set(CHILDREN)
    assert_answers(real, before)
    back = restored(real)
    assert set(back.rebuilt) == set(CHILDREN)
    assert_answers(real, before)
    assert {"part.parquet", "sub/text.csv", "days/day=1/part-0.parquet", "mixed/part-2.parquet"} <= set(real.snapshot())
    assert (real.root / "sub" / "text.csv").read_bytes() == text
    assert not any("lakebed" in path for path in real.snapshot())


def test_tables_come_back_after_the_artifact_root_and_its_key_are_gone(real):
    """The quarantine keeps the key with each receipt, for its owner alone."""
    applied(real)
    kept = list(real.root.rglob(f"recipe/{KEY_FILE}"))
    assert len(kept) == len(CHILDREN)
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    assert all(KEY.hex() not in path.read_text() for path in real.root.rglob("receipt.json"))
    shutil.rmtree(real.rows_folder, ignore_errors=True)
    with Quarantine.hold(str(real.root), real.config, "purge") as quarantine:
        assert set(purge(quarantine, None, RecipeRebuilder(HashKeys())).tables) == set(CHILDREN)
    with Quarantine.hold(str(real.root), real.config, "restore") as quarantine:
        assert set(restore(quarantine, None, RecipeRebuilder(HashKeys())).rebuilt) == set(CHILDREN)
    assert not list(real.root.rglob(KEY_FILE))


def test_a_table_in_the_middle_of_a_move_is_answered_from_where_it_is_whole(real, monkeypatch):
    before = answers(real)
    with Quarantine.hold(str(real.root), real.config, "apply") as quarantine:
        append, seen = quarantine.journal.append, []

        def look(entry, step, **facts):
            state = append(entry, step, **facts)
            seen.append(step)
            assert_answers(real, before)
            return state

        monkeypatch.setattr(quarantine.journal, "append", look)
        apply_plan(quarantine, real.plan, RecipeRebuilder(KEYS, real.rows_folder))
    assert seen.count(Step.SET_ASIDE_COPIED) == len(CHILDREN)


def test_a_purged_table_whose_parent_moved_is_refused_with_the_reason(real):
    applied(real)
    purged(real)
    shutil.copy(real.root / "all.parquet", real.root.parent / "all.parquet")
    (real.root / "all.parquet").write_bytes(b"PAR1 something else")
    with pytest.raises(PlanError, match="all has changed"):
        lakebed.open_table(f"{real.root}/part")
    with pytest.raises(PlanError, match="days cannot be rebuilt") as caught:
        restored(real)
    assert "bring all back" in caught.value.hint
    assert len(caught.value.examples) == len(CHILDREN) - 1


def test_what_is_not_there_is_refused(real):
    for path in ("nothing", "sub", "sub/nothing.csv"):
        with pytest.raises(SourceError, match=r"no such table|not one table"):
            lakebed.open_table(f"{real.root}/{path}")


def test_a_pointer_answers_for_its_own_table_only(real):
    applied(real)
    (real.root / "part.csv").write_text("x\n1\n")
    assert lakebed.open_table(f"{real.root}/part.csv").to_pydict() == {"x": [1]}
    assert lakebed.open_table(f"{real.root}/part.parquet").num_rows == 20
    with pytest.raises(SourceError, match="no such table"):
        lakebed.open_table(f"{real.root}/part.json")


def test_a_table_at_its_place_needs_no_quarantine(real):
    table = lakebed.open_table(f"{real.root}/all.parquet")
    assert isinstance(table, pa.Table)
    assert table.equals(parent_rows())


ODD_TEXTS = {
    "dates.jsonl": (
        '{"n":1,"d":"2024-01-02"}\n{"n":2,"d":null}\n{"n":3,"d":"1999-12-31"}\n',
        {"n": [1, 2, 3], "d": [date(2024, 1, 2), None, date(1999, 12, 31)]},
    ),
    "times.jsonl": ('{"t":"2024-01-02T03:04:05"}\n', {"t": [datetime(2024, 1, 2, 3, 4, 5)]}),
    "comments.csv": ("# made by a tool\n# in two lines\nn,name\n1,a\n2,b\n", {"n": [1, 2], "name": ["a", "b"]}),
    "inches.csv": ('n,s\n1,5" disk\n2,b\n', {"n": [1, 2], "s": ['5" disk', "b"]}),
    "array.json": ('[{"n": 1, "s": "a"},\n {"n": 2, "s": "b"}]', {"n": [1, 2], "s": ["a", "b"]}),
    "parts": ("n,x\n1,true\n", {"n": [1, 2], "x": [True, False]}),
}


@pytest.mark.parametrize("name", list(ODD_TEXTS))
def test_text_that_could_not_be_written_again_is_read_all_the_same(tmp_path, name):
    text, wanted = ODD_TEXTS[name]
    if name == "parts":
        (tmp_path / name).mkdir()
        (tmp_path / name / "part-1.csv").write_text("n,x\n2,False\n")
    (tmp_path / name / "part-0.csv" if name == "parts" else tmp_path / name).write_text(text)
    assert lakebed.open_table(str(tmp_path / name)).to_pydict() == wanted


@pytest.mark.parametrize("type_", [pa.timestamp("us"), pa.list_(pa.timestamp("us"))])
def test_timestamps_of_96_bits_beyond_nanoseconds_are_refused_not_wrapped(tmp_path, type_):
    far = datetime(9999, 12, 31)
    table = pa.table({"until": pa.array([[far] if pa.types.is_list(type_) else far], type_)})
    pq.write_table(table, tmp_path / "t.parquet", use_deprecated_int96_timestamps=True)
    with pytest.raises(SourceError, match="INT96"):
        lakebed.open_table(str(tmp_path / "t"))
