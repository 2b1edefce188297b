import contextlib
import io

import pytest


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    """What `infra/pack.py` makes, and what it said."""
    from infra.pack import main

    folder = tmp_path_factory.mktemp("packed") / "dist"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        main([str(folder)])
    return folder, said.getvalue()
