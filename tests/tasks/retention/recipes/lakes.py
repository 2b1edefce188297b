"""Small lakes for tests of recipes."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from lakebed.connectors.lake.config import LakeConfig
from lakebed.data_samples.layouts import ParquetFile
from lakebed.data_samples.model import Layout
from lakebed.tasks.retention.recipes.config import RecipeConfig
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import Outcome, Recipe, TableRef
from lakebed.tasks.retention.recipes.refs import observe
from lakebed.tasks.retention.recipes.synthesis import synthesise

KEY = bytes(range(32))


@dataclass(frozen=True)
class SmallLake:
    """A lake in a temporary folder, and the context of its recipes."""

    root: Path
    config: RecipeConfig
    lake: LakeConfig

    @staticmethod
    def at(folder: Path, config: RecipeConfig | None = None, **lake: object) -> "SmallLake":
        """A lake in `folder`."""
        root = folder / "lake"
        root.mkdir(exist_ok=True)
        return SmallLake(root, config or RecipeConfig(), LakeConfig.model_validate({"root": str(root), **lake}))

    @property
    def context(self) -> RecipeContext:
        """Its context."""
        return RecipeContext(self.lake, str(self.root.parent / "rows"), KEY, self.config)

    def put(self, name: str, table: pa.Table, layout: Layout | None = None) -> None:
        """Writes a table."""
        (layout or ParquetFile()).write(self.root, name, table)

    def ref(self, name: str) -> TableRef:
        """The table as it lies there."""
        return observe(self.lake, name)

    def solve(self, child: str, *parents: str) -> Outcome:
        """The outcome of a child and its parents."""
        return synthesise(self.context, self.ref(child), [self.ref(parent) for parent in parents])

    def recipe(self, child: str, *parents: str) -> Recipe:
        """The recipe of a pair that has one."""
        outcome = self.solve(child, *parents)
        assert outcome.recipe is not None, outcome.refusal
        return outcome.recipe

    def pair(self, child: pa.Table, parent: pa.Table, layout: Layout | None = None) -> Outcome:
        """The outcome of two tables, the child under the given layout."""
        self.put("child", child, layout)
        self.put("parent", parent)
        return self.solve("child", "parent")
