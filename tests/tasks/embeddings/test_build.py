from lakebed.tasks.embeddings.build import estimate


def test_memory_is_three_matrices_and_the_graph() -> None:
    small, large = (estimate(n, 10 * n, 128, 3, keeps_powers=True) for n in (1_000, 2_000))
    assert large.peak_bytes - small.peak_bytes == 1_000 * (3 * 128 * 4 + 120)


def test_kept_powers_are_written() -> None:
    kept, dropped = (estimate(1_000, 10_000, 64, 3, keeps_powers=keeps) for keeps in (True, False))
    assert (dropped.written_bytes, kept.written_bytes) == (256_000, 1_024_000)
    assert "256 MB" in estimate(1_000_000, 10, 64, 3, keeps_powers=False).text()
