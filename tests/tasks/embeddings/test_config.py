import hashlib

import pytest
from pydantic import ValidationError

from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.runtime.keys import canonical_json

WRONG = ({"weights": ()}, {"weights": (0.0, 0.0)}, {"weights": (float("nan"),)}, {"dim": 1}, {"sparsity": -1})
WRONG_MORE = ({"edge_types": {"a": 0.0}}, {"property_ratio": 1.0}, {"unknown": 1})


@pytest.mark.parametrize("wrong", [*WRONG, *WRONG_MORE])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EmbeddingsConfig.model_validate(wrong)


def test_powers_do_not_depend_on_weights_but_on_their_number() -> None:
    base = EmbeddingsConfig(weights=(1.0, 2.0))
    for same in ({"weights": (0.0, 1.0)}, {"self_weight": 2.0}, {"standardize": False}, {"threads": 3}):
        assert base.model_copy(update=same).powers_part() == base.powers_part()
    for other in ({"weights": (1.0,)}, {"degree_exponent": -0.1}, {"seed": 5}, {"dim": 64}):
        assert base.model_copy(update=other).powers_part() != base.powers_part()


def test_threads_are_no_part_of_the_result() -> None:
    assert EmbeddingsConfig(threads=4).result_part() == EmbeddingsConfig().result_part()


def test_the_key_of_fastrp_is_what_it_was_before_there_were_methods() -> None:
    digest = hashlib.sha256(canonical_json(EmbeddingsConfig().result_part()).encode()).hexdigest()
    assert digest == "a0d3fbefaae19cca90d82559c08df8dec08a176063867d8b59982a0d10c1ac29"


def test_orthogonal_rounds_take_no_features_and_no_kinds() -> None:
    for more in ({"features": ("kind",)}, {"edge_types": {"a": 1.0}}):
        with pytest.raises(ValidationError, match="neither features nor edge_types"):
            EmbeddingsConfig.model_validate({"method": "orthogonal", **more})
