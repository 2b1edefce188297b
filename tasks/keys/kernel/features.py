"""What is known of a pair of columns: 18 figures of names, 42 of values."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lakebed.tasks.keys.kernel.candidates import Pairs, rarity
from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int64, Lake, joined_lake
from lakebed.tasks.keys.kernel.likeness import NAME_FEATURES, name_features
from lakebed.tasks.keys.kernel.words import Names, read_names, with_names

VALUE_FEATURES = (
    "forth", "exact", "back", "log_na", "log_nb", "log_ratio", "log_rows_a", "log_rows_b", "uniq_a", "uniq_b",
    "unique_a", "unique_b", "null_a", "null_b", "same_kind", "a_int", "a_text", "a_float", "b_int", "b_text",
    "range_cover", "low_equal", "high_equal", "dense_a", "dense_b", "low_b_01", "rarity_a", "log_containers_folder",
    "length_a", "length_apart", "pos_a", "pos_b", "first_b", "first_a", "first_unique_b", "n_columns_a", "n_columns_b",
    "key_word_a", "key_word_b", "log_frequency_a", "log_frequency_b", "rows_per_value_a",
)  # fmt: skip
FEATURES = (*NAME_FEATURES, *VALUE_FEATURES)
CONTAINED = 0.95
NEARLY = 0.8


@dataclass(frozen=True)
class ColumnFacts:
    """A lake's columns with their names, and what is derived from each alone. Shapes: (C,) each.

    Attributes:
        is_first_unique: which columns are the first unique one of their table.
        n_columns: columns of each column's table.
        density: of whole numbers, how many of those between least and greatest there are; 0 of others.
        rarity: see `candidates.rarity`.
    """

    lake: Lake
    names: Names
    is_unique: Bool
    is_first_unique: Bool
    n_columns: Int64
    density: Float64
    rarity: Float64

    @staticmethod
    def of(lake: Lake) -> "ColumnFacts":
        """Reads the names and counts the rest."""
        return ColumnFacts(lake, read_names(lake), *_derived(lake), rarity(lake))

    def with_table(self, table: Lake, rarity: Float64) -> "ColumnFacts":
        """With the columns of a table that is not in the lake, the last; their values are left out.

        Args:
            table: a lake of this table alone.
            rarity: of its columns, by how many of the lake have the values that it knows.
        """
        own, both = _derived(table), joined_lake(self.lake, table)
        return ColumnFacts(
            both,
            with_names(self.names, table),
            np.concatenate([self.is_unique, own[0]]),
            np.concatenate([self.is_first_unique, own[1]]),
            np.concatenate([self.n_columns, own[2]]),
            np.concatenate([self.density, own[3]]),
            np.concatenate([self.rarity, rarity]),
        )

    @cached_property
    def is_nearly_unique(self) -> Bool:
        """Which columns may be referred to: of `NEARLY` distinct values a filled cell or more, (C,).

        The columns of a table of one row are among them.
        """
        lake = self.lake
        return (lake.n_distinct > 0) & (lake.n_distinct >= NEARLY * lake.n_filled)


def _derived(lake: Lake) -> tuple[Bool, Bool, Int64, Float64]:
    """(is_unique, is_first_unique, n_columns, density) of `ColumnFacts`."""
    order = np.lexsort((lake.position, ~lake.is_unique, lake.table_of))
    is_first = np.zeros(lake.n, np.bool_)
    is_first[order[np.diff(lake.table_of[order], prepend=-1) != 0]] = True
    n_columns = np.bincount(lake.table_of, minlength=len(lake.tables))[lake.table_of]
    with np.errstate(invalid="ignore"):
        density = np.where(lake.kind == 1, lake.n_distinct / np.maximum(lake.high - lake.low + 1, 1), 0.0)
    return lake.is_unique, is_first & lake.is_unique, n_columns, density


@dataclass(frozen=True)
class PairFacts:
    """Pairs and their figures. Shapes: features (p, 60), named in FEATURES."""

    pairs: Pairs
    features: Float64

    def figure(self, name: str) -> Float64:
        """One of them, (p,)."""
        found: Float64 = self.features[:, FEATURES.index(name)]
        return found


def pair_facts(facts: ColumnFacts, pairs: Pairs, containers: Float64 | None = None) -> PairFacts:
    """The figures of pairs. O(p · letters of a name).

    Args:
        facts: of the columns.
        pairs: all of them, or some.
        containers: of all of them, where these are some, as `containers_of` counts them.
    """
    names = name_features(facts.lake, facts.names, pairs)
    held = containers_of(facts, pairs) if containers is None else containers
    return PairFacts(pairs, np.concatenate([names, value_features(facts, pairs, held)], axis=1))


def value_features(facts: ColumnFacts, pairs: Pairs, containers: Float64) -> Float64:
    """(p, 42) figures of values, counts, bounds and places, named in VALUE_FEATURES."""
    lake, a, b = facts.lake, pairs.a, pairs.b
    both = [_column_figures(facts, side) for side in (a, b)]
    left, right = both
    width = [lake.high[side] - lake.low[side] for side in (a, b)]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        cover = np.minimum((width[0] + 1) / (width[1] + 1), 2.0)
        cover = np.where(np.isfinite(width[0]) & np.isfinite(width[1]), cover, 0.5)
    n_a, n_b = np.maximum(lake.n_distinct[a], 1), np.maximum(lake.n_distinct[b], 1)
    shared = {
        "forth": pairs.overlap / n_a,
        "exact": pairs.overlap >= n_a * (1 - 1e-9),
        "back": np.minimum(pairs.overlap / n_b, 1.0),
        "log_ratio": np.log(n_a / n_b),
        "same_kind": lake.kind[a] == lake.kind[b],
        "range_cover": cover,
        "low_equal": lake.low[a] == lake.low[b],
        "high_equal": lake.high[a] == lake.high[b],
        "low_b_01": (lake.low[b] == 0) | (lake.low[b] == 1),
        "log_containers_folder": np.log1p(containers[a]),
        "length_apart": np.abs(lake.length[a] - lake.length[b]),
        "first_unique_b": facts.is_first_unique[b],
        "rarity_a": facts.rarity[a],
        "rows_per_value_a": np.log(np.maximum(lake.n_rows[a], 1) / n_a),
    }
    found = {f"{name}_a": figure for name, figure in left.items()}
    found |= {f"{name}_b": figure for name, figure in right.items()}
    found |= {"log_na": left["log_n"], "log_nb": right["log_n"]}
    found |= {f"{side}_{kind}": lake.kind[place] == number for side, place in (("a", a), ("b", b))
              for number, kind in ((1, "int"), (2, "float"), (3, "text"))}  # fmt: skip
    found |= shared
    return np.stack([np.asarray(found[name], np.float64) for name in VALUE_FEATURES], axis=1)


def _column_figures(facts: ColumnFacts, side: Int64) -> dict[str, Float64 | Bool]:
    """What is said of one of the two columns, as arrays (p,)."""
    lake = facts.lake
    return {
        "log_n": np.log(np.maximum(lake.n_distinct[side], 1)),
        "log_rows": np.log1p(lake.n_rows[side]),
        "uniq": np.minimum(lake.n_distinct[side] / np.maximum(lake.n_filled[side], 1), 1.0),
        "unique": facts.is_unique[side],
        "null": np.maximum(lake.n_rows[side] - lake.n_filled[side], 0) / np.maximum(lake.n_rows[side], 1),
        "dense": facts.density[side],
        "length": lake.length[side],
        "pos": lake.position[side].astype(np.float64),
        "first": lake.position[side] == 0,
        "n_columns": facts.n_columns[side].astype(np.float64),
        "key_word": facts.names.keyness[side],
        "log_frequency": np.log(facts.names.frequency[side]),
    }


def containers_of(facts: ColumnFacts, pairs: Pairs) -> Float64:
    """How many unique columns of the pairs hold each column nearly whole, (C,)."""
    is_whole = (pairs.overlap >= CONTAINED * facts.lake.n_distinct[pairs.a]) & facts.is_unique[pairs.b]
    return np.bincount(pairs.a[is_whole], minlength=facts.lake.n).astype(np.float64)
