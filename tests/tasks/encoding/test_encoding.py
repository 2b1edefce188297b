import pytest

from lakebed.tasks import encoding


def test_every_public_name_is_there_and_no_other():
    assert sorted(encoding.__all__) == sorted([*encoding._HOME_OF, "ENCODING_ID"])
    assert all(getattr(encoding, name) is not None for name in encoding.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = encoding.nothing_here
