import pytest

from lakebed.connectors import blocks
from lakebed.connectors.errors import SourceError


def test_without_anybody_who_reads_blocks_the_way_out_is_named(monkeypatch):
    monkeypatch.setattr(blocks, "_readers", [])
    with pytest.raises(SourceError, match="password is missing") as caught:
        blocks.block_secret("shop")
    assert "password_env" in caught.value.hint


def test_whoever_knows_prefect_says_how(monkeypatch):
    monkeypatch.setattr(blocks, "_readers", [])
    blocks.read_blocks_with({"shop": "s3cret"}.__getitem__)
    assert blocks.block_secret("shop") == "s3cret"
    with pytest.raises(SourceError) as caught:
        blocks.block_secret("other")
    assert caught.value.value == "the Prefect block other: KeyError"
