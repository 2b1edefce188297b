from lakebed.tasks.embeddings.task import build_embeddings


def test_it_is_tried_again_after_transient_errors_only() -> None:
    assert build_embeddings.name == "embeddings"
    assert build_embeddings.retries == 2
    assert build_embeddings.retry_condition_fn is not None
