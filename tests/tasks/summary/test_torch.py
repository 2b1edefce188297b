import numpy as np
import pytest

from lakebed.tasks.summary.kernel.blocks import FORMS, Form
from lakebed.tasks.summary.kernel.csr import CsrGraph
from lakebed.tasks.summary.kernel.operator import CsrOperator, ProductOperator, SummaryOperator
from tests.tasks.summary.kernel.forms import dense_form
from tests.tasks.summary.kernel.summaries import random_sample

torch = pytest.importorskip("torch")


def operators(form: Form) -> list[ProductOperator]:
    sample = random_sample(11, 12, 200)
    return [SummaryOperator(sample.summary, form), CsrOperator(CsrGraph.from_edges(12, sample.edges), form)]


@pytest.mark.parametrize("form", FORMS)
def test_gradients_pass_torch_s_own_check(form: Form) -> None:
    from lakebed.tasks.summary.torch import multiply

    for operator in operators(form):
        dense = torch.randn(12, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda x, by=operator: multiply(by, x), (dense,))
        assert torch.autograd.gradgradcheck(lambda x, by=operator: multiply(by, x) ** 2, (dense,))


@pytest.mark.parametrize("form", FORMS)
def test_products_and_types(form: Form) -> None:
    from lakebed.tasks.summary.torch import multiply

    expected = dense_form(random_sample(11, 12, 200).adjacency.astype(np.float64), form)
    for operator in operators(form):
        single = multiply(operator, torch.eye(12))
        assert single.dtype == torch.float32
        np.testing.assert_allclose(single.numpy(), expected, atol=1e-5)
