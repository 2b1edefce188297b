import json

import pytest
from typer.testing import CliRunner

from lakebed.connectors.delta import open_table
from lakebed.connectors.errors import ArtifactError
from lakebed.flows.cli.main import app
from lakebed.tasks.links.stage import LINKS
from lakebed.tasks.runtime.definition import run_stage
from tests.tasks.links.artifacts import SMALL, links_inputs, publish_lake_graph, workspace
from tests.tasks.search.lakes import record_run


def root_of(folder, tables=None):
    space = workspace(folder)
    graph = publish_lake_graph(space, tables)
    record_run(folder / "artifacts", {"lakegraph": graph, "links": run_stage(LINKS, links_inputs(space, graph, SMALL))})
    return space.artifacts


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return root_of(tmp_path_factory.mktemp("links"))


def asked(*arguments):
    answer = CliRunner().invoke(app, ["links", "predict", *arguments])
    if answer.exception and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer.stdout


def test_one_object_a_link(root):
    rows = [json.loads(line) for line in asked("--artifacts", root, "--top", "3", "--json").splitlines()]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert [list(row) for row in rows] == [["rank", "kind", "source", "target", "chance", "why", "evidence"]] * 3
    assert all("group" in row["source"] for row in rows)
    assert rows[0]["chance"] >= rows[-1]["chance"]


def test_in_words_and_as_a_delta_table(root, tmp_path):
    out = tmp_path / "links"
    text = asked("--artifacts", root, "--top", "5", "--out", str(out))
    assert "likely missing links" in text and "group" in text
    written = open_table(str(out)).to_pyarrow_table()
    assert written.num_rows == 5
    assert {"source_label", "kind", "chance", "evidence"} <= set(written.column_names)
    with pytest.raises(ArtifactError):
        asked("--artifacts", root, "--out", str(out))


def test_why_there_are_none(tmp_path):
    root = root_of(tmp_path, {"a": {"x": [1, 2]}, "b": {"y": [5]}})
    assert "no two columns of the lake share values" in asked("--artifacts", root)


def test_a_root_without_the_stage_is_a_typed_error(tmp_path):
    with pytest.raises(ArtifactError, match="links"):
        asked("--artifacts", str(tmp_path))
