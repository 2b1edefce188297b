"""The keeper rank: what each signal says, in the order in which they count."""

import json

import numpy as np
import pytest

from lakebed.connectors.errors import PlanError
from lakebed.tasks.retention.config import LESSER_WORDS, KeeperConfig, RetentionConfig
from lakebed.tasks.retention.contract import SIGNALS
from lakebed.tasks.retention.keeper import (
    SAME_AGE_NS,
    lesser_by,
    lesser_signs,
    preference,
    require_keepers,
    standing,
    told,
)
from lakebed.tasks.retention.plan import EqualCopies, read_plan, write_plan
from tests.tasks.retention.plans import plan_of, write_lake

ZONES = ("gold/**", "**", "landing/**")
DAY_NS = 86_400 * 10**9


def of(name, format_="parquet", n_accesses=1.0, written=None, **config):
    return standing(name, format_, n_accesses, KeeperConfig.model_validate(config), written)


@pytest.mark.parametrize(
    ("name", "signs"),
    [
        ("sales/orders_copy", ("copy",)),
        ("sales/copy_of_orders", ("copy",)),
        ("sales/orders-backup", ("backup",)),
        ("sales/ordersCopy", ("copy",)),
        ("sales/HTTPLogsBackup", ("backup",)),
        ("sales/Orders.bak", ("bak",)),
        ("sales/ORDERS_OLD", ("old",)),
        ("sales/Copies of orders", ("copies",)),
        ("backups/sales/orders", ("backups",)),
        ("a/b/tmp/c/orders", ("tmp",)),
        ("exports_of_goods", ("exports",)),
        ("orders_2024-01-05", ("2024-01-05",)),
        ("orders_20240105", ("20240105",)),
        ("orders20240105", ("orders20240105",)),
        ("orders202401", ("orders202401",)),
        ("orders 2024", ("2024",)),
        ("orders (1)", ("1",)),
        ("orders_v2", ("v2",)),
        ("orders_2_mirror", ("2",)),
        ("nightly_2024-01-05/orders", ("2024-01-05",)),
        ("nightly.20240105/orders", ("20240105",)),
        ("~alice/orders", ("~",)),
        ("home/alice/orders", ("home",)),
        ("homes/alice/orders", ("homes",)),
        ("users/alice/orders", ("users",)),
        ("archive/tmp/orders_copy_copy", ("archive", "tmp", "copy")),
    ],
)
def test_words_dates_and_numbers_that_speak_against_a_table(name, signs):
    assert lesser_signs(name, LESSER_WORDS) == signs


@pytest.mark.parametrize(
    "name",
    [
        "production/sales/orders",
        "crm/users",
        "sales/home",
        "mail/template",
        "music/tempered",
        "hr/stage_gates",
        "geo/oldenburg",
        "shop/backupper",
        "iris3",
        "model/covid19",
        "events/dt=2024-01-05",
        "events/env=test/clicks",
        "events/2024/01/05",
        "2024-01-05/orders",
        "2024/orders",
        "region_1/orders",
        "days/1",
        "api/v2",
        "заказы",
    ],
)
def test_what_only_looks_like_one_does_not(name):
    assert lesser_signs(name, LESSER_WORDS) == ()


def test_words_of_another_language_are_given_in_the_config():
    words = ("Kopie", "копия", "alt/")
    assert lesser_signs("verkauf/bestellungen-KOPIE", words) == ("kopie",)
    assert lesser_signs("заказы_Копия", words) == ("копия",)
    assert lesser_signs("alt/bestellungen", words) == ("alt",)
    assert lesser_signs("bestellungen/alt", words) == ()
    assert lesser_signs("bestellungen_copy", words) == ()


@pytest.mark.parametrize(
    ("signal", "worse", "better"),
    [
        ("zone", of("landing/a", zones=ZONES), of("sales/a", zones=ZONES)),
        ("zone", of("sales/a", zones=ZONES), of("gold/a", zones=ZONES)),
        ("zone", of("bronze/a", zones=["gold", "silver"]), of("silver/a", zones=["gold", "silver"])),
        ("use", of("a", n_accesses=3.0), of("b", n_accesses=4.0)),
        ("name", of("bak/a"), of("c/a")),
        ("format", of("a", "parquet"), of("b", "delta")),
        ("format", of("a", "avro"), of("b", "orc")),
        ("format", of("a", "csv"), of("b", "avro")),
        ("format", of("a", "json"), of("b", "parquet")),
        ("history", of("a", written=DAY_NS), of("b", written=0)),
        ("history", of("a", written=SAME_AGE_NS + 1), of("b", written=0)),
    ],
)
def test_each_signal_alone(signal, worse, better):
    assert lesser_by(worse, better, is_equal=True) == signal
    assert lesser_by(better, worse, is_equal=True) == ""
    assert lesser_by(worse, better, is_equal=False) == (signal if signal in ("zone", "name", "format") else "")
    assert told(signal, worse, better).startswith(f"its {signal}: ")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (of("a"), of("b")),
        (of("bak/a"), of("tmp/b_copy")),
        (of("a", "csv"), of("b", "json")),
        (of("a", "delta"), of("b", "iceberg")),
        (of("a", written=0), of("b", written=SAME_AGE_NS)),
        (of("a", written=None), of("b", written=DAY_NS)),
        (of("x/a", zones=["gold"]), of("y/a", zones=["gold"])),
    ],
)
def test_what_no_signal_tells_apart(one, other):
    for is_equal in (True, False):
        assert lesser_by(one, other, is_equal=is_equal) == lesser_by(other, one, is_equal=is_equal) == ""


def test_signals_count_one_after_the_other():
    """Each table is the better one by its own signal and the worse one by all that come after it."""
    facts = {
        "zone": {"name": "gold/a_copy"}, "use": {"name": "b_copy", "n_accesses": 9.0}, "name": {"name": "c"},
        "format": {"name": "d_copy", "format_": "delta"}, "history": {"name": "e_copy", "written": 0},
    }  # fmt: skip
    worst = {"format_": "csv", "n_accesses": 1.0, "written": DAY_NS, "zones": ["gold"]}
    ranked = [of(**worst | facts[signal]) for signal in SIGNALS]
    for place, better in enumerate(ranked):
        for worse in ranked[place + 1 :]:
            assert lesser_by(worse, better, is_equal=True) == SIGNALS[place]
            assert lesser_by(better, worse, is_equal=True) == ""


def test_the_longest_glob_of_a_zone_counts_wherever_it_stands():
    names = ["gold/x", "sales/x", "landing/x"]
    assert [of(name, zones=ZONES).zone for name in names] == [0, 1, 2]
    assert [of(name, zones=ZONES[::-1]).zone for name in names] == [2, 1, 0]
    assert [of(name).zone for name in names] == [0, 0, 0]
    assert of("elsewhere", zones=["gold"]).zone == 1


def test_the_rank_in_words_names_every_signal_but_history():
    words = of("gold/tmp/a_copy", "delta", 12.5, DAY_NS, zones=ZONES).in_words
    assert words == 'zone gold/**; 12.5 accesses a month; in its path: "tmp", "copy"; delta'
    assert of("a").in_words == "1 accesses a month; no lesser word in its path; parquet"


def test_preference_is_accesses_then_delta_then_the_shorter_path_then_the_name():
    names = ["a", "b", "c", "d", "e"]
    formats = ["parquet", "parquet", "delta", "parquet", "parquet"]
    paths = ["long/path/a", "b", "a/very/long/path/c", "x", "y"]
    accesses = [5.0, 1.0, 1.0, 1.0, 1.0]
    rank = preference([of(*facts) for facts in zip(names, formats, accesses, strict=True)], paths)
    assert [names[place] for place in np.argsort(rank)] == ["a", "c", "b", "d", "e"]


def test_preference_takes_no_time_into_account_but_fewer_signs():
    standings = [of("tmp/copy/a", written=0), of("a/b/c/d/e/f/g_bak", written=DAY_NS)]
    assert preference(standings, [one.name for one in standings]).tolist() == [1, 0]


def test_the_settings_have_their_place_in_the_config():
    config = RetentionConfig.model_validate({"zones": ["gold/**"], "lesser_words": ["kopie"]})
    assert not config.allow_lesser_keeper
    assert RetentionConfig().zones == ()
    assert standing("a_copy", "csv", 1.0, config).signs == ()


@pytest.fixture
def planned(tmp_path):
    write_lake(tmp_path / "lake")
    return plan_of(tmp_path / "lake")


def renamed(plan, old, new, **facts):
    """The plan with another name for a table, sealed."""
    changes = {"name": new, "identity": plan.table(old).identity.model_copy(update={"name": new, **facts})}
    parents = tuple(new if name == old else name for name in plan.table("some").parents)
    tables = [
        one.model_copy(update=changes if one.name == old else {"parents": parents if one.parents else ()})
        for one in plan.tables
    ]
    return plan.model_copy(update={"tables": tuple(tables)}).sealed()


@pytest.mark.parametrize(
    ("name", "facts", "config", "signal"),
    [
        ("bak/all", {}, {}, 'its name: "bak"'),
        ("all_2023", {}, {}, 'its name: "2023"'),
        ("all", {"format": "csv"}, {}, "its format: csv, the other's is parquet"),
        ("landing/all", {}, {"zones": ZONES}, "its zone: landing/**, the other's is **"),
    ],
)
def test_a_plan_in_favour_of_a_lesser_table_is_refused(planned, name, facts, config, signal):
    plan = renamed(planned, "all", name, **facts)
    with pytest.raises(PlanError, match="rank lower") as refused:
        require_keepers(plan, RetentionConfig.model_validate(config))
    assert refused.value.value == f"some in favour of {name}, which ranks lower by {signal}"
    assert "retention.allow_lesser_keeper" in refused.value.expected
    assert refused.value.exit_code == 4
    require_keepers(plan, RetentionConfig.model_validate({**config, "allow_lesser_keeper": True}))
    require_keepers(planned, RetentionConfig())


def test_history_and_use_count_only_where_the_plan_itself_says_that_tables_are_equal(planned):
    old = planned.table("some").identity
    older = tuple(file.model_copy(update={"mtime_ns": 1}) for file in old.files)
    aged = renamed(planned, "some", "some", files=older)
    require_keepers(aged, RetentionConfig())
    group = EqualCopies(keeper="all", tables=("all", "some"), deleted=("some",), signal="history", because="x")
    equal = aged.model_copy(update={"copies": (group,)}).sealed()
    with pytest.raises(PlanError, match="its history: it was first written later"):
        require_keepers(equal, RetentionConfig())


def test_fields_of_today_do_not_change_the_id_of_an_older_plan(planned, tmp_path):
    write_plan(planned, tmp_path / "plan.json")
    values = json.loads((tmp_path / "plan.json").read_text())
    assert values.pop("copies") == [] and values.pop("ranking") is None
    (tmp_path / "old.json").write_text(json.dumps(values))
    assert read_plan(tmp_path / "old.json") == planned
    other = planned.model_copy(update={"ranking": KeeperConfig(zones=("gold",))})
    assert other.content_digest() != planned.content_digest()
