"""Names: words that a topic's tables share, and no number, key or word of the level above."""

import numpy as np
import pyarrow as pa

from lakebed.tasks.keys.kernel.features import ColumnFacts
from lakebed.tasks.topics.kernel.copies import copies_of, of_tables
from lakebed.tasks.topics.kernel.names import names_of, words_of_tables
from lakebed.tasks.topics.kernel.tree import tree_of
from tests.tasks.keys.lakes import lake
from tests.tasks.topics.graphs import graph_from


def tables():
    """Two groups of three tables: all have a ship, the groups a crew or a cargo."""
    ids = list(range(1, 41))
    made = {}
    for group in ("crew", "cargo"):
        for number in range(3):
            columns = {"id": [x + 100 * number for x in ids], f"{group}_weight": ids, "ship": ids[::-1], "v2": ids}
            made[f"{group}{number}"] = pa.table(columns)
    return made


def two_level_tree():
    """Cargo are tables 0 to 2, crew 3 to 5; both hang together."""
    inside = {(a + start, b + start): 1.0 for start in (0, 3) for a, b in ((0, 1), (0, 2), (1, 2))}
    return tree_of(graph_from(6, inside | {(2, 3): 0.01}))


def test_a_word_of_all_is_the_name_above_and_not_said_again():
    facts = ColumnFacts.of(lake(tables()))
    tree = two_level_tree()
    names = names_of(tree, words_of_tables(facts, [None] * facts.lake.n))
    told = {names[node] for node in np.flatnonzero(tree.topic >= 0).tolist()}
    assert {held[0] for held in told} == {"crew", "cargo"}
    assert not {word for held in names for word in held} & {"id", "v2", "v", "2", "0"}


def test_forms_and_compounds_of_a_word_count_for_it_and_are_not_said_beside_it():
    ids = list(range(1, 41))
    names = ("claim_date", "claims_paid", "claimnumber")
    made = {f"t{place}": pa.table({"id": ids, name: ids, "car": ids}) for place, name in enumerate(names)}
    facts = ColumnFacts.of(lake(made))
    words = words_of_tables(facts, [None] * facts.lake.n)
    had = words.counts.toarray()[:, list(words.words).index("claim")] > 0
    assert had.all()
    assert not (words.counts.toarray()[:, list(words.words).index("claims")] > 0)[[0, 2]].any()
    tree = tree_of(graph_from(3, {(0, 1): 1.0, (0, 2): 1.0, (1, 2): 1.0}))
    (told,) = (held for held in names_of(tree, words) if held)
    assert "claim" in told
    assert not {"claims", "claimnumber"} & {*told}


def test_frequent_words_of_values_count_and_rare_ones_do_not():
    facts = ColumnFacts.of(lake({"a": pa.table({"x": ["North Sea", "Baltic Sea", "Red Sea", "Dead Sea"]})}))
    words = words_of_tables(facts, [["North Sea", "Baltic Sea", "Red Sea", "Dead Sea"]])
    assert {words.words[number] for number in words.counts.indices.tolist()} == {"sea"}


def test_copies_are_found_whatever_their_name():
    made = tables() | {"zz/copy": tables()["crew1"], "zz/other": tables()["crew1"].slice(1), "zz/empty": pa.table({})}
    found = lake(made)
    copy_of = copies_of(found)
    at = {name: int(copy_of[place]) for place, name in enumerate(found.tables)}
    assert at["zz/copy"] == at["crew1"] and at["zz/other"] != at["crew1"]
    distinct = np.unique(copy_of, return_index=True)[1]
    less = of_tables(found, distinct)
    assert len(less.tables) == len(made) - 1 and "zz/copy" not in less.tables
    place = less.names.index("ship", less.names.index("ship") + 1)
    original = [column for column, table in enumerate(found.table_of.tolist()) if table in distinct.tolist()][place]
    assert found.names[original] == "ship"
    mine = found.values[found.indptr[original] : found.indptr[original + 1]]
    assert less.values[less.indptr[place] : less.indptr[place + 1]].tolist() == mine.tolist()
