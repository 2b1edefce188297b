import tomllib

from lakebed.connectors.version import VERSION
from tests.docs.pages import ROOT


def test_it_is_the_packages():
    assert VERSION == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_nothing_asks_the_packages_metadata_for_it():
    """A zip on a cluster has none."""
    folders = [ROOT / name for name in ("connectors", "flows", "tasks", "data_samples")]
    files = [*(ROOT / "lakebed").glob("*.py"), *(file for folder in folders for file in folder.rglob("*.py"))]
    assert len(files) > 300
    assert [file for file in files if 'version("lakebed")' in file.read_text().replace("'", '"')] == []
