from pathlib import Path

import pytest

from lakebed.data_samples.generator import generate_sample_lake
from lakebed.data_samples.truth import Truth
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import Outcome
from lakebed.tasks.retention.recipes.pairs import PairRefs, solve_pairs
from tests.tasks.retention.recipes.lakes import KEY, SmallLake


@pytest.fixture
def small(tmp_path: Path) -> SmallLake:
    return SmallLake.at(tmp_path)


@pytest.fixture(scope="package")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recipes") / "lake"


@pytest.fixture(scope="package")
def sample_truth(sample_root: Path) -> Truth:
    truth = generate_sample_lake(sample_root)
    # these stand for what Spark leaves, with nothing in them; Spark itself believes them
    for checksum in sample_root.rglob(".*.crc"):
        checksum.unlink()
    return truth


@pytest.fixture(scope="package")
def sample_context(sample_root: Path, sample_truth: Truth) -> RecipeContext:
    del sample_truth
    lake = SmallLake.at(sample_root.parent).lake
    return RecipeContext(lake, str(sample_root.parent / "rows"), KEY)


@pytest.fixture(scope="package")
def sample_pairs(sample_context: RecipeContext, sample_truth: Truth) -> list[PairRefs]:
    """Every true pair of tables that have something to compare."""
    from lakebed.tasks.retention.recipes.refs import observe

    empty = {table.name for table in sample_truth.tables if table.is_vacuous}
    pairs = [pair for pair in sample_truth.pairs if pair.is_set_contained and pair.child not in empty]
    names = {name for pair in pairs for name in (pair.child, pair.parent)}
    refs = {name: observe(sample_context.lake, name) for name in sorted(names)}
    return [PairRefs(refs[pair.child], (refs[pair.parent],)) for pair in pairs]


@pytest.fixture(scope="package")
def sample_outcomes(sample_context: RecipeContext, sample_pairs: list[PairRefs]) -> list[Outcome]:
    batches = solve_pairs(sample_context, list(enumerate(sample_pairs)))
    return [Outcome.model_validate_json(batch.column(1)[0].as_py()) for batch in batches]
