"""Where the key of the row hashes is, and where it is not."""

import base64
import stat

import pytest

from lakebed.tasks.runtime.hash_key import KEY_FILE, key_id
from tests.flows.lakes import write_mixed_lake
from tests.flows.processes import lakebed

OWN_KEY = {"LAKEBED_CONTAINMENT__HASH_KEY": ""}
pytestmark = [pytest.mark.flow, pytest.mark.heavy]


def test_the_key_of_a_run_stands_in_its_file_alone(tmp_path):
    """Not in artifacts, records, logs, Prefect's database, Spark's event log or the plan, in no way of writing it."""
    write_mixed_lake(tmp_path / "lake")
    (tmp_path / "lakebed.toml").write_text('[spark]\nevent_log = "events"\n')
    arguments = ("--lake", "lake", "--artifacts", "artifacts", "--to", "retention")
    run = lakebed("--log-format", "json", "run", *arguments, folder=tmp_path, **OWN_KEY)
    assert run.status == 0, run.err
    plan = lakebed("plan", "--artifacts", "artifacts", "--out", "plan.json", folder=tmp_path, **OWN_KEY)
    place = tmp_path / "artifacts" / KEY_FILE
    key = bytes.fromhex(place.read_text().strip())
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != place}
    assert any("events" in path.parts and data for path, data in files.items())
    assert any(key_id(key).encode() in data for data in files.values())
    as_text = (key.hex(), key.hex().upper(), repr(key)[2:-1], base64.b64encode(key).decode())
    for written in (key, *(text.encode() for text in as_text)):
        assert not [path for path, data in files.items() if written in data]
        assert not [text for text in (run.out, run.err, plan.out, plan.err) if written in text.encode()]
