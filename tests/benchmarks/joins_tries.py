"""Lakes in which a column and its partner share no value as they stand, by the seed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

N_TRIES, N_VALUES, N_OTHERS = 15, 150, 60
Values = Sequence[Any]
FIRST = (
    "Anna Bert Carla David Emil Frieda Georg Hanna Ivo Jana Karl Lena Max Nora Otto Paula Rosa Sven Tina Udo Vera "
    "Willi Ali Mehmet Olga Piotr Maria Juan Wei Yuki"
).split()
LAST = (
    "Meier Schulz Fischer Weber Wagner Becker Hoffmann Koch Richter Klein Wolf Neumann Braun Zimmer Kaiser Lang Vogel "
    "Keller Frank Berger Kim Lopez Rossi Novak Silva Brown Jones Smith Young King"
).split()


def _people(random: np.random.Generator) -> Values:
    chosen = random.choice(len(FIRST) * len(LAST), N_VALUES, replace=False).tolist()
    return [(FIRST[at % len(FIRST)], LAST[at // len(FIRST)]) for at in chosen]


def _dates(random: np.random.Generator) -> Values:
    days = np.datetime64("2015-01-01") + random.choice(365 * 6, N_VALUES, replace=False)
    return [str(day).split("-") for day in days]


def _numbers(random: np.random.Generator) -> Values:
    return [int(number) for number in random.choice(90_000, N_VALUES, replace=False) + 10_000]


# what is drawn, and its two ways of being written
TRANSFORMED: Mapping[str, tuple[Callable[[np.random.Generator], Values], tuple[Callable[[Any], Any], ...]]] = {
    "dates": (_dates, ("-".join, lambda day: f"{day[2]}/{day[1]}/{day[0]}")),
    "names": (_people, (lambda one: f"{one[1]}, {one[0]}", " ".join)),
    "codes": (_numbers, ("CUST-{}".format, str)),
    "codes and numbers": (_numbers, ("CUST-{}".format, int)),
}


def transformed_tables(kind: str, seed: int) -> dict[str, pa.Table]:
    """`asked`, `partner`, which has four fifths of its values written the other way, and others of all kinds."""
    random = np.random.default_rng([seed, len(kind)])
    draw, (mine, theirs) = TRANSFORMED[kind]
    values = draw(random)
    kept = [values[at] for at in random.permutation(N_VALUES)[: N_VALUES * 4 // 5].tolist()]
    tables = {"asked": [mine(value) for value in values], "partner": [theirs(value) for value in kept]}
    kinds = list(TRANSFORMED.values())
    for number in range(N_OTHERS):
        draw, ways = kinds[number % len(kinds)]
        tables[f"other {number}"] = [ways[1](value) for value in draw(random)]
    return {name: pa.table({f"c{number}": held}) for number, (name, held) in enumerate(tables.items())}
