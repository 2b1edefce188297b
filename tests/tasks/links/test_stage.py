"""The stage without its extra, and what its key holds; what it builds is in test_build."""

import json
import subprocess
import sys

import pytest

from lakebed.tasks.links.stage import LINKS
from tests.flows.processes import REPOSITORY, environment, lakebed
from tests.tasks.links.artifacts import SMALL, links_inputs, publish_edge_graph, publish_lake_graph, workspace

WITHOUT = "import sys\nfor name in ('torch', 'safetensors'): sys.modules[name] = None\n"
STAGE = (
    WITHOUT
    + """
from pathlib import Path
from lakebed.connectors.errors import StageError
from lakebed.tasks.links.stage import LINKS
from lakebed.tasks.runtime.definition import run_stage
from tests.tasks.links.artifacts import SMALL, links_inputs, publish_lake_graph, workspace
space = workspace(Path(sys.argv[1]))
graph = publish_lake_graph(space)
try:
    run_stage(LINKS, links_inputs(space, graph, SMALL))
except StageError as error:
    print(error.value, '|', error.expected, '|', error.hint)
print(sorted(path.name for path in Path(space.artifacts).iterdir()))
"""
)
VERBS = WITHOUT + "from lakebed.flows.cli.main import main; main(sys.argv[1:])"
IMPORTS = (
    WITHOUT
    + """
import pkgutil
from importlib import import_module
from lakebed.connectors.errors import StageError
import lakebed.flows.cli
from lakebed.tasks import embeddings, index, links, search, summary
packages = lakebed.flows.cli, embeddings, index, links, search, summary
names = [m.name for p in packages for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.')]
needing = []
for name in names:
    try:
        import_module(name)
    except (ImportError, StageError):
        needing.append(name)
print(sorted(needing))
"""
)


def child(code, *arguments, folder):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )


def test_without_torch_the_stage_names_the_extra_and_leaves_nothing(tmp_path):
    done = child(STAGE, tmp_path, folder=REPOSITORY)
    assert done.returncode == 0, done.stderr
    told, left = done.stdout.splitlines()
    assert "torch, safetensors | the extra `links` | pip install 'torch>=2.9' 'safetensors>=0.5' (the extra " in told
    assert left == "['keys', 'lakegraph']"


def test_without_torch_only_what_trains_cannot_be_imported(tmp_path):
    done = child(IMPORTS, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    needing = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    assert needing
    assert all(name.startswith(("lakebed.tasks.links.", "lakebed.tasks.summary.torch")) for name in needing), needing
    assert not {
        "lakebed.tasks.links.stage",
        "lakebed.tasks.links.config",
        "lakebed.tasks.links.contract",
    } & {*needing}


def test_without_torch_links_predict_names_the_extra_and_search_works(searchable, tmp_path):
    root = searchable[0]
    asked = child(VERBS, "links", "predict", "--artifacts", root, "--json", folder=tmp_path)
    assert asked.returncode == 1, asked.stderr
    assert "lakebed[links]" in json.loads(asked.stdout)["hint"]
    found = child(VERBS, "similar", "orders_2024", "--artifacts", root, "--json", folder=tmp_path)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout.splitlines()[0])["table"] == "orders"


@pytest.mark.flow
@pytest.mark.spark
@pytest.mark.heavy
def test_without_torch_a_run_to_links_ends_there_with_all_before_it_done(tmp_path):
    from tests.flows.lakes import write_parquet_lake

    write_parquet_lake(tmp_path / "lake")
    place = ["--lake", tmp_path / "lake", "--artifacts", tmp_path / "a", "--json"]
    done = child(VERBS, "run", *place, "--to", "links", folder=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "lakebed[links]" in json.loads(done.stdout)["hint"]
    again = child(VERBS, "run", *place, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert all(stage["reused"] for stage in json.loads(again.stdout)["stages"])
    # the same lake, its index to be built from vectors of a predictor: three tables are too few to train one on
    answer = lakebed("run", *place, folder=tmp_path, LAKEBED_INDEX__VECTORS="stack")
    assert answer.status == 0, answer.err
    assert list(answer.reused)[-3:] == ["embeddings", "links", "index"]
    assert answer.reused["embeddings"] and not answer.reused["links"]
    assert answer.json["links"]["untrained"]
    assert answer.json["index"]["source"] == "fastrp"


def test_the_key_follows_the_graph_and_the_config(tmp_path):
    space = workspace(tmp_path)
    lake, edges = publish_lake_graph(space), publish_edge_graph(space)
    key = LINKS.open(links_inputs(space, lake, SMALL)).key
    assert LINKS.name == "links"
    assert LINKS.open(links_inputs(space, lake, SMALL)).key == key
    assert LINKS.open(links_inputs(space, edges, SMALL)).key != key
    assert LINKS.open(links_inputs(space, lake, SMALL.model_copy(update={"n_tails": 21}))).key != key
