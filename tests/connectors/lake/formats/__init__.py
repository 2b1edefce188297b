"""Files of other formats. What is damaged at random is damaged by these seeds: about 2,900 files, of which the heavy
tests have three quarters."""

import pytest

SEEDS = [20, *(pytest.param(seed, marks=pytest.mark.heavy) for seed in (21, 22, 23))]
