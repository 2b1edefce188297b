"""What workers keep of ended applications, asked of real ones."""

import pytest

from lakebed.connectors.doctor import quick_checks
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.worker_folders import kept_folders
from tests.services.spark_cluster import spark_cluster

pytestmark = [pytest.mark.spark, pytest.mark.heavy]
CLEANED = ("-Dspark.worker.cleanup.enabled=true",)


def test_the_doctor_warns_of_workers_that_keep_every_folder(tmp_path):
    with spark_cluster(tmp_path, n_workers=1) as cluster:
        (tmp_path / "work1" / "app-1" / "0").mkdir(parents=True)
        assert (tmp_path / "work1", 1) in kept_folders()
        checks = {check.name: check for check in quick_checks(SparkConfig(master=cluster.master))}
        assert checks["worker folders"].is_ok and str(tmp_path / "work1") in checks["worker folders"].found
        assert "spark.worker.cleanup.enabled" in checks["worker folders"].fix
    with spark_cluster(tmp_path, n_workers=1, java_options=CLEANED):
        assert tmp_path / "work1" not in [folder for folder, _ in kept_folders()]
