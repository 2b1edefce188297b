import pyarrow as pa
import pytest

from lakebed.tasks.links.card import model_card
from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.contract import DECILES
from lakebed.tasks.links.kernel.ladder import RungResult
from lakebed.tasks.links.kernel.metrics import LinkMetrics

FACTS = {"train": 1_700, "pairs": 2_000, "nodes": 900, "valid": 100, "test": 200, "tails": 500, "rule": "Cut."}
ROW = {"n_nodes": 1_000, "n_measured": 3, "atc_mean": 0.5, "degree_mean": 2.0}


def test_a_card_says_how_good_each_rung_is_and_where():
    results = [RungResult("gcn", LinkMetrics(0.91, {10: 0.6, 50: 0.8}, 0.4), 0.41, 3.25)]
    rows = [
        {"decile": 0, **ROW, "recall_mean": None, "mrr_random": None, "mrr_hard": None, "shift": None},
        {"decile": 1, **ROW, "recall_mean": 0.25, "mrr_random": 0.5, "mrr_hard": 0.2, "shift": 0.1},
    ]
    deciles = pa.Table.from_pylist(rows, schema=DECILES.arrow_schema())
    card = model_card(results, deciles, FACTS, LinksConfig())
    assert "| rung | AUC | Hits@10 | Hits@50 | MRR | gain in AUC |" in card
    assert "| gcn | 0.910 | 0.600 | 0.800 | 0.400 | +0.410 |" in card
    assert "| 0 | 1,000 | 3 | 0.500 | 2.000 |  |  |  |  |" in card
    assert "| 1 | 1,000 | 3 | 0.500 | 2.000 | 0.250 | 0.500 | 0.200 | 0.100 |" in card
    assert "1,700 of 2,000 linked pairs" in card
    assert "3.25" not in card
    assert "The stack reads" not in card
    assert "hard others" not in card.partition("## Quality by decile")[0]


def test_a_card_has_the_figures_beside_hard_others_and_what_reads_them():
    metrics = LinkMetrics(0.91, {10: 0.6}, 0.4)
    results = [RungResult("listwise", metrics, 0.41, 3.25, LinkMetrics(0.8, {10: 0.3}, 0.15))]
    hard = {
        "hard": {"pairs": 200, "others": 500},
        "listwise": {"reads": "overlap", "mrr": {"overlap": 0.2, "listwise": 0.1}},
    }
    card = model_card(results, DECILES.arrow_schema().empty_table(), FACTS | hard, LinksConfig())
    assert "| listwise | 0.800 | 0.300 | 0.150 |" in card
    assert "out of fold: 0.100; overlap has 0.200, so it reads this one alone." in card


@pytest.mark.parametrize(
    ("reads", "told"), [("stack", "all rungs"), ("overlap", "overlap alone, which it did not beat")]
)
def test_a_card_says_what_the_stack_came_out_as(reads, told):
    facts = FACTS | {"stack": {"reads": reads, "average_precision": {"overlap": 0.9, "common_neighbours": 0.95}}}
    card = model_card([], DECILES.arrow_schema().empty_table(), facts, LinksConfig())
    assert f"The stack reads {told}. " in card
    assert "out of fold: common neighbours 0.950, overlap 0.900." in card
