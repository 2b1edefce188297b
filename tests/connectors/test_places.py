import os
import sys
from pathlib import Path

import pytest

from lakebed.connectors import places
from lakebed.connectors.errors import ConfigError
from lakebed.connectors.places import (
    CACHE_VARIABLE,
    KERNELS_VARIABLE,
    environment_folder,
    has_own_folder,
    keep_kernels_in_cache,
    share_folder,
)


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """An environment that pip has filled, of a user with a home."""
    for name in (CACHE_VARIABLE, KERNELS_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    return tmp_path


def test_what_set_up_made_stays_in_its_environment(bare):
    own = bare / "venv" / "share" / "lakebed"
    own.mkdir(parents=True)
    assert has_own_folder()
    assert share_folder() == own
    assert environment_folder("class-data") == own / "class-data"
    keep_kernels_in_cache()
    assert KERNELS_VARIABLE not in os.environ


def test_without_it_the_users_cache_serves_all_environments(bare, monkeypatch):
    assert share_folder() == bare / "home" / ".cache" / "lakebed"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert share_folder() == bare / "home" / ".cache" / "lakebed"
    monkeypatch.setenv("XDG_CACHE_HOME", str(bare / "cache"))
    assert share_folder() == bare / "cache" / "lakebed"
    first = environment_folder("class-data")
    monkeypatch.setattr(sys, "prefix", str(bare / "other"))
    assert first.parent == environment_folder("class-data").parent == bare / "cache" / "lakebed" / "class-data"
    assert first != environment_folder("class-data")
    assert not (bare / "cache").exists()


def test_the_variable_wins(bare, monkeypatch):
    (bare / "venv" / "share" / "lakebed").mkdir(parents=True)
    monkeypatch.setenv(CACHE_VARIABLE, str(bare / "chosen"))
    assert share_folder() == bare / "chosen"
    assert not has_own_folder()


def test_kernels_go_to_the_cache_unless_the_user_chose_a_place(bare, monkeypatch):
    monkeypatch.setenv(KERNELS_VARIABLE, "/elsewhere")
    keep_kernels_in_cache()
    assert os.environ[KERNELS_VARIABLE] == "/elsewhere"
    monkeypatch.delenv(KERNELS_VARIABLE)
    keep_kernels_in_cache()
    assert os.environ[KERNELS_VARIABLE] == str(share_folder() / "kernels")


def test_a_user_without_a_home_is_told_of_the_variable(bare, monkeypatch):
    def fail():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(places.Path, "home", fail)
    with pytest.raises(ConfigError) as caught:
        share_folder()
    assert CACHE_VARIABLE in caught.value.hint
    keep_kernels_in_cache()
    monkeypatch.setenv(CACHE_VARIABLE, "~/x" if Path("~").expanduser() != Path("~") else "/x")
    assert share_folder().is_absolute()
