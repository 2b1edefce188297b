"""The benchmark's own arithmetic."""

from tests.benchmarks.chain import again_figures, first_figures

ANSWER = {
    "tables": 3,
    "lakegraph": {"nodes": 7, "edges": 9},
    "stages": [
        {"stage": "inventory", "seconds": 1.0, "reused": True},
        {"stage": "index", "seconds": 3.0, "reused": False},
    ],
    "session_start_s": 5.0,
    "prefect_start_s": 4.0,
    "peak_driver_bytes": 11,
}


def test_shares_are_of_the_whole_command():
    figures = first_figures("lake", ANSWER, 10.0)
    assert figures["shares"] == {"inventory": 0.1, "index": 0.3}
    assert (figures["nodes"], figures["edges"]) == (7, 9)


def test_an_unchanged_run_is_held_against_the_first():
    figures = again_figures("lake", 50.0, ANSWER, 0.5)
    assert figures["share_of_first"] == 0.01
    assert figures["is_all_reused"] is False
