"""Products on a summary, or on a graph, as a differentiable function of torch (the extra `links`)."""

from typing import TYPE_CHECKING, Any, cast

from lakebed.connectors.errors import StageError
from lakebed.connectors.extras import extra_hint

if TYPE_CHECKING:
    import torch

    from lakebed.tasks.summary.kernel.operator import ProductOperator

try:
    from torch.autograd import Function
except ImportError as error:  # pragma: no cover
    raise StageError("training needs torch, which is not installed", hint=extra_hint("links")) from error


class _Product(Function):
    """Y = M X; the gradient of X is Mᵀ times that of Y."""

    @staticmethod
    def forward(context: Any, dense: "torch.Tensor", operator: "ProductOperator") -> "torch.Tensor":
        context.operator = operator
        return _multiplied(operator, dense)

    @staticmethod
    def backward(context: Any, *gradients: "torch.Tensor") -> Any:
        return _Product.apply(gradients[0], context.operator.T), None


def multiply(operator: "ProductOperator", dense: "torch.Tensor") -> "torch.Tensor":
    """M X with a gradient for X: that of D⁻¹A goes through A·D⁻¹, the two other forms are their own transposes.

    Shapes: dense (n_nodes, d) float32 or float64 on the CPU; result the same.
    Raises: GraphError: if the rows of `dense` are not the nodes.
    """
    return cast("torch.Tensor", _Product.apply(dense, operator))


def _multiplied(operator: "ProductOperator", dense: "torch.Tensor") -> "torch.Tensor":
    import torch

    return torch.from_numpy(operator.product(dense.detach().contiguous().numpy()))
