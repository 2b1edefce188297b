"""Seeds of random cases: as many as show a fault at once in every run, all of them in the heavy one."""

import pytest


def seeds(n, n_quick):
    """Parameters 0 to n - 1, of which those from `n_quick` on are heavy."""
    return [pytest.param(seed, marks=pytest.mark.heavy if seed >= n_quick else ()) for seed in range(n)]
