import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.encoding import lanes
from lakebed.tasks.encoding.secret import block_keys, word_keys
from tests.tasks.encoding.arrays import KEY, quick

ROOT = Path(__file__).parents[3]
BLOCKS = block_keys(KEY, "t", "")
NOTHING = np.zeros(4, np.uint64)


@quick
@given(st.lists(st.binary(max_size=200), max_size=8), st.binary(max_size=9))
def test_masked_loads_and_plain_ones_have_equal_bits(cells, before):
    """Cells lie anywhere in the buffer, its very end too."""
    data = np.frombuffer(before + b"".join(cells), np.uint8)
    offsets = len(before) + np.cumsum([0, *map(len, cells)])
    fast, plain = np.zeros((4, len(cells)), np.uint64), np.zeros((4, len(cells)), np.uint64)
    keys = np.zeros((256, 2, 4), np.uint64)
    assert lanes.add_bytes(fast, offsets, data, keys, BLOCKS, NOTHING) == 0
    lanes.add_blocks_plain(plain, offsets, data, BLOCKS)
    assert np.array_equal(fast, plain)


def test_block_keys_are_the_word_keys_of_the_bytes():
    keys = word_keys(KEY, "t", "", lanes.MAX_WORDS)
    for word in range(248):
        assert np.array_equal(BLOCKS[word // 8, :, :, word % 8], keys[2 + word].T)
    assert np.array_equal(word_keys(KEY, "t", "", 3), keys[:3])


def test_tokens_and_forms_cannot_imitate_each_other():
    drawn = [word_keys(KEY, token, form, 3).tobytes() for token, form in (("ab", ""), ("a", "b"), ("", "ab"))]
    assert len(set(drawn)) == 3


def test_a_processor_without_instructions_gives_the_same_hashes():
    """The whole encoding in a process that compiles for a plain processor."""
    code = "from tests.tasks.encoding import test_words as t; t.test_the_id_changes_with_any_word(); print('equal')"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_CPU_NAME": "generic"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "equal"
