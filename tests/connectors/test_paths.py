import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.paths import require_inside, require_part


@pytest.mark.parametrize("path", ["/etc/passwd", "..", "../x", "a/../../x", "a/..", "x\0y"])
def test_what_leads_out_is_refused(path):
    with pytest.raises(ValueError, match="out of its folder"):
        require_inside(path)
    with pytest.raises(ValueError, match="not that of a file"):
        require_part(path)


@pytest.mark.parametrize("path", ["", ".", "a", "a/b.parquet", "..a/b..", "a..b", "year=2024/part-0", "ü /x"])
def test_what_stays_inside_passes(path):
    assert require_inside(path) == path


@given(st.text(st.sampled_from("./ab\0"), max_size=8))
def test_nothing_that_passes_leaves_the_root(path):
    import os.path

    try:
        require_inside(path)
    except ValueError:
        return
    assert os.path.normpath(f"/root/{path}").startswith("/root")
