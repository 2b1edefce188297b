import os
import signal
import subprocess
import sys

import pytest

from lakebed.connectors.errors import PlanError
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.lease import LEASE, quarantine_lease
from tests.flows.processes import environment

CODE = """
import sys, time
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.lease import quarantine_lease
with quarantine_lease(Storage.at(sys.argv[1]), "apply"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_holder_at_a_time_and_a_killed_one_is_none(tmp_path):
    storage = Storage.at(str(tmp_path / "quarantine"))
    command = [sys.executable, "-c", CODE, storage.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(PlanError, match="another verb") as caught, quarantine_lease(storage, "restore"):
                pass
            assert f"apply, process {holder.pid} " in caught.value.value
        finally:
            holder.send_signal(signal.SIGKILL)
    with quarantine_lease(storage, "restore"):
        assert f'"pid": {os.getpid()}' in storage.read_bytes(LEASE).decode()


def test_a_lock_on_a_file_that_was_taken_away_is_no_lock(tmp_path):
    """The one who ends the quarantine removes the lease; who locked the removed file would hold nothing."""
    storage = Storage.at(str(tmp_path))
    with quarantine_lease(storage, "restore"):
        os.unlink(tmp_path / LEASE)
        with quarantine_lease(storage, "apply"):
            with pytest.raises(PlanError, match="another verb"), quarantine_lease(storage, "purge"):
                pass
