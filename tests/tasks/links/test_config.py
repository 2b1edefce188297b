import pytest
from pydantic import ValidationError

from lakebed.tasks.links.config import LinksConfig, SplitConfig


def test_a_small_graph_gets_what_the_config_says():
    assert LinksConfig().for_graph(2_708) == LinksConfig()
    assert LinksConfig().for_graph(3_327) == LinksConfig()


def test_a_large_graph_gets_fewer_columns_and_epochs():
    config = LinksConfig().for_graph(445_000)
    assert config.projection_columns == config.gnn.n_hidden == 32
    assert config.projection_columns * 445_000 <= config.max_cells
    assert config.gnn.n_epochs == 11
    assert LinksConfig().for_graph(10**9).gnn.n_epochs == 10


def test_the_key_leaves_out_what_has_no_effect():
    gnn = LinksConfig().gnn.model_copy(update={"allow_drift": True, "checkpoint_every": 3})
    assert LinksConfig(gnn=gnn).in_key() == LinksConfig().in_key()


def test_a_split_leaves_edges_to_train_on():
    with pytest.raises(ValidationError, match="fifth"):
        SplitConfig(valid_share=0.4, test_share=0.45)
