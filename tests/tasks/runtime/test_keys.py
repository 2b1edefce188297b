from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.config import FrozenConfig
from lakebed.tasks.runtime.keys import canonical_json, sha256_of_parts

PARTS = st.lists(st.binary(max_size=12), max_size=5)


@given(PARTS, PARTS)
def test_only_equal_parts_share_a_key(left, right):
    assert (sha256_of_parts(left) == sha256_of_parts(right)) == (left == right)


@given(st.binary(min_size=1, max_size=40), st.data())
def test_a_moved_boundary_makes_another_key(content, data):
    cuts = [data.draw(st.integers(0, len(content))) for _ in range(2)]
    keys = {sha256_of_parts([content[:cut], content[cut:]]) for cut in cuts}
    assert len(keys) == len(set(cuts))


@given(PARTS)
def test_an_empty_part_counts(parts):
    assert sha256_of_parts(parts) != sha256_of_parts([*parts, b""])


def test_canonical_json_does_not_see_the_order_of_keys():
    class Config(FrozenConfig):
        b: int = 1
        a: dict[str, float]

    assert (
        canonical_json(Config(a={"y": 0.5, "x": 1.0}))
        == canonical_json({"a": {"x": 1.0, "y": 0.5}, "b": 1})
        == '{"a":{"x":1.0,"y":0.5},"b":1}'
    )
