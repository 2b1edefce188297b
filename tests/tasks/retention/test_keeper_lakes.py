"""On labelled lakes the table that was made first stays, and nothing goes in favour of what nobody relies on."""

from collections import Counter

import pytest

from lakebed.data_samples.keeper_lakes import KINDS, PLAIN_WORDS, keeper_lake
from lakebed.tasks.retention.config import LESSER_WORDS, RetentionConfig
from lakebed.tasks.retention.copies import copies_table
from lakebed.tasks.retention.keeper import lesser_signs
from tests.seeds import seeds
from tests.tasks.retention.facts import Fact, decided, problem_of

SEEDS = range(200)


def problem_of_lake(lake, **config):
    facts = [
        Fact(one.name, f"group {number}", one.format, made_ns=one.made_s * 10**9)
        for number, group in enumerate(lake.groups)
        for one in group.tables
    ]
    parts = set()
    for number, part in enumerate(lake.parts):
        facts.append(Fact(part.table.name, f"part {number}", part.table.format, 1_000_000, 100))
        facts.append(Fact(part.parent.name, f"whole {number}", part.parent.format))
        parts.add((f"part {number}", f"whole {number}"))
    return problem_of(facts, parts, RetentionConfig(zones=lake.zones, **config))


def deletions(problem, choice):
    """Each table that goes, with the one in whose favour."""
    names, edges = problem.tables.names, problem.edges
    return {names[edges.child[edge]]: names[edges.parent[edge]] for edge in choice.chosen}


@pytest.mark.parametrize("seed", seeds(200, 60))
def test_the_original_stays_in_every_unambiguous_group(seed):
    lake = keeper_lake(seed)
    problem = problem_of_lake(lake)
    gone = deletions(problem, decided(problem))
    for group in lake.groups:
        names = [one.name for one in group.tables]
        assert not set(names) <= gone.keys()
        if not group.is_ambiguous:
            assert group.original.name not in gone
            # and nothing is won by planning nothing: every copy goes
            assert gone.keys() >= set(names[1:])
    for part in lake.parts:
        assert (part.table.name in gone) == (not part.is_private)
        assert part.parent.name not in gone
    copies = copies_table(problem, {problem.tables.names.index(name) for name in gone}).to_pylist()
    keepers = {row["name"]: row["keeper"] for row in copies}
    for group in lake.groups:
        if not group.is_ambiguous:
            assert {keepers[one.name] for one in group.tables} == {group.original.name}


def test_without_the_rank_originals_would_go_and_parts_with_them():
    """What the test above is worth: the choice by cost alone fails it."""
    lost, n_parts = 0, 0
    for seed in SEEDS[:60]:
        lake = keeper_lake(seed)
        problem = problem_of_lake(lake, allow_lesser_keeper=True)
        gone = deletions(problem, decided(problem))
        lost += any(group.original.name in gone for group in lake.groups if not group.is_ambiguous)
        n_parts += sum(part.table.name in gone for part in lake.parts if part.is_private)
    assert lost > 30
    assert n_parts > 57


def test_the_labels_are_worth_something():
    """Most groups are unambiguous, every kind of lake occurs, and names that no default knows occur in each."""
    lakes = [keeper_lake(seed) for seed in SEEDS]
    groups = [group for lake in lakes for group in lake.groups]
    assert sum(not group.is_ambiguous for group in groups) >= 0.9 * len(groups)
    assert any(group.is_ambiguous for group in groups)
    assert Counter(lake.kind for lake in lakes).keys() == set(KINDS)
    assert not any(lesser_signs(f"{word}/x", LESSER_WORDS) for word in PLAIN_WORDS)
    unknown = [one for lake in lakes for group in lake.groups for one in group.tables[1:] if _is_plain(one.name)]
    assert len(unknown) > 0.2 * len(groups)
    shorter = [
        group for group in groups
        if not group.is_ambiguous and any(len(one.name) < len(group.original.name) for one in group.tables[1:])
    ]  # fmt: skip
    assert len(shorter) > 0.5 * len(groups)
    for group in groups:
        if not group.is_ambiguous:
            assert all(one.made_s > group.original.made_s for one in group.tables[1:])


def _is_plain(name):
    return not lesser_signs(name, LESSER_WORDS)
