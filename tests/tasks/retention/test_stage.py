from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.stage import RETENTION
from lakebed.tasks.runtime.definition import Inputs, run_stage
from tests.tasks.retention.lakes import contained_lake, decide_here


def test_the_key_follows_inputs_config_and_the_access_log(tmp_path):
    workspace, *refs = contained_lake(tmp_path)
    log = tmp_path / "log.csv"
    log.write_text("table\nalone\n")

    def key(**values):
        return RETENTION.open(Inputs.of(workspace, *refs, RetentionConfig.model_validate(values))).key

    assert key() == key()
    keys = [key(), key(max_rebuild_s=7.0), key(accesses={"log": str(log)})]
    log.write_text("table\nalone\nalone\n")
    keys.append(key(accesses={"log": str(log)}))
    other = refs[1].model_copy(update={"digest": "0" * 64})
    keys.append(RETENTION.open(Inputs.of(workspace, refs[0], other, RetentionConfig())).key)
    assert len(set(keys)) == len(keys)


def test_an_artifact_that_is_there_is_reused(tmp_path):
    from lakebed.tasks.containment.config import ContainmentConfig

    lake = contained_lake(tmp_path)
    _, ref = decide_here(lake)
    workspace, *refs = lake
    assert run_stage(RETENTION, Inputs.of(workspace, *refs, RetentionConfig(), ContainmentConfig())) == ref
