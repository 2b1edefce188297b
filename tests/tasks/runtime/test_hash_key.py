import os
import secrets
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakebed.connectors.errors import ConfigError, PlanError
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime import hash_key
from lakebed.tasks.runtime.hash_key import KEY_FILE, OLDER_PUBLIC_KEY, HashKeys, keep_key, key_id, root_key, stored_key

KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def made_by_chance(monkeypatch):
    monkeypatch.setattr(hash_key, "secrets", secrets)


def test_a_root_has_one_key_that_only_its_owner_can_read(tmp_path):
    root = tmp_path / "artifacts"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(root_key, [str(root)] * 32))
    assert len(keys) == 1 and len(*keys) == 32
    assert stat.S_IMODE(os.stat(root / KEY_FILE).st_mode) == 0o600
    assert os.listdir(root) == [KEY_FILE]
    assert root_key(str(tmp_path / "other")) not in keys


def test_a_damaged_file_is_neither_used_nor_replaced(tmp_path):
    (tmp_path / KEY_FILE).write_text("12ab")
    with pytest.raises(ConfigError, match="holds none"):
        root_key(str(tmp_path))
    assert (tmp_path / KEY_FILE).read_text() == "12ab"


def test_a_key_that_is_kept_stays(tmp_path):
    storage = Storage.at(str(tmp_path))
    keep_key(storage, "entry/hash_key", KEY)
    keep_key(storage, "entry/hash_key", bytes(32))
    assert stored_key(storage, "entry/hash_key") == KEY
    assert stored_key(storage, "other") is None


def test_keys_are_found_by_their_id(tmp_path):
    made, kept = root_key(str(tmp_path / "artifacts")), tmp_path / "recipe"
    keep_key(Storage.at(str(kept)), KEY_FILE, bytes(32))
    keys = HashKeys(KEY, str(tmp_path / "artifacts"))
    for key in (KEY, made, OLDER_PUBLIC_KEY, bytes(32)):
        assert keys.find(key_id(key), str(kept)) == key
    with pytest.raises(PlanError, match="another hash key"):
        keys.find(key_id(bytes(32)))
    assert KEY.hex() not in repr(keys)


def test_looking_for_a_key_makes_none(tmp_path):
    with pytest.raises(PlanError):
        HashKeys(b"", str(tmp_path / "gone")).find("0" * 16)
    assert not (tmp_path / "gone").exists()


def test_a_key_that_is_given_or_kept_needs_no_file_behind_it(tmp_path):
    """A damaged key of the artifact root does not stand in the way of what the quarantine keeps."""
    kept, root = tmp_path / "kept", tmp_path / "root"
    keep_key(Storage.at(str(kept)), KEY_FILE, KEY)
    root.mkdir()
    (root / KEY_FILE).write_text("12ab")
    assert HashKeys(given=KEY, artifacts=str(root)).find(key_id(KEY), str(root)) == KEY
    assert HashKeys(artifacts=str(root)).find(key_id(KEY), str(kept)) == KEY
    with pytest.raises(ConfigError):
        HashKeys(artifacts=str(root)).find(key_id(bytes(32)), str(kept))
