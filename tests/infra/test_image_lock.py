"""What an image installs, against the lock and what is installed here."""

import importlib.util

import pytest

from tests.docs.pages import ROOT

spec = importlib.util.spec_from_file_location("image_lock", ROOT / "infra" / "setup" / "image_lock.py")
image_lock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(image_lock)


@pytest.mark.parametrize("name", image_lock.LISTS)
def test_lists_are_in_step_with_the_lock(name):
    made = image_lock.image_list(image_lock.LISTS[name])
    assert (ROOT / "requirements" / name).read_text() == made, "run `python infra/setup/image_lock.py`"


def test_every_entry_is_one_of_the_lock_with_its_hashes():
    lock = image_lock.lock_entries((ROOT / "requirements" / "lock.txt").read_text())
    entries = image_lock.lock_entries((ROOT / "requirements" / "image.txt").read_text())
    assert entries.items() <= lock.items()
    assert all("--hash=sha256:" in text for text in entries.values())


def test_the_image_runs_lakebed_and_leaves_tests_pages_and_torch_out():
    entries = image_lock.lock_entries((ROOT / "requirements" / "image.txt").read_text())
    assert {"prefect", "pyspark", "delta-spark", "numba", "hnswlib", "great-expectations", "uvicorn"} <= entries.keys()
    assert not {"pytest", "mypy", "mkdocs", "torch", "moto", "duckdb"} & entries.keys()
    links = image_lock.lock_entries((ROOT / "requirements" / "image-links.txt").read_text())
    assert links.keys() > entries.keys() and "torch" in links


def test_versions_for_several_pythons_stay_together():
    text = (
        "a==1 ; python_version < '3.12' \\\n  --hash=sha256:0\na==2 ; python_version >= '3.12' \\\n  --hash=sha256:1\n"
    )
    assert image_lock.lock_entries(text) == {"a": text}


def test_what_the_lock_lacks_is_named(monkeypatch):
    monkeypatch.setattr(image_lock, "lock_entries", lambda text: {})
    with pytest.raises(ValueError, match=r"not in requirements/lock[.]txt: aiosqlite"):
        image_lock.image_list(())
