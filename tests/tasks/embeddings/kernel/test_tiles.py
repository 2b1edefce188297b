import numpy as np

from lakebed.tasks.embeddings.kernel.tiles import make_tile, multiply_tile


def test_a_tile_is_a_block_of_the_matrix() -> None:
    draw = np.random.default_rng(0)
    dense = draw.random((6, 4)).astype(np.float32) * (draw.random((6, 4)) < 0.5)
    row, column = np.nonzero(dense)
    order = draw.permutation(len(row))
    tile = make_tile(row[order], column[order], dense[row, column][order], 6)
    block = draw.random((4, 3)).astype(np.float32)
    np.testing.assert_allclose(multiply_tile(tile, block), dense @ block, rtol=1e-5)
    np.testing.assert_allclose(tile.degrees(), dense.sum(axis=1), rtol=1e-6)
