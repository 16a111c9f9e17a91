"""Muon: momentum with an orthogonalised direction, for the matrices inside a network."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95  # from the paper, as the next line
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_ITERATIONS = 2  # measured: learns as fast as with the 5 of the paper, in less time
BETAS, EPSILON = (0.9, 0.999), 1e-8  # PyTorch's defaults of AdamW


class Muon(torch.optim.Optimizer):
    """Steps along an orthogonal matrix near the momentum, and AdamW's for all other weights.

    With the gradient G of a matrix W, once a step:

    - M ← 0.95 M + 0.05 G and U = 0.95 M + 0.05 G (Nesterov);
    - O: U with each singular value σ replaced by one near 1, see `orthogonal`;
    - W ← (1 − rate · decay) W − rate · 0.2 √(longer side of W) · O.

    The last factor gives a step the size that AdamW's has, so that one learning rate serves both.

    PyTorch's own `torch.optim.Muon` does the same, but in bfloat16 and matrix by matrix: measured,
    more than twice as long here. It also has no `found_inf`, which blocks a step that is not
    finite without waiting for the device. AdamW's step is PyTorch's fused kernel, called from here
    because, measured, a second optimiser spends more time on the way to it than in it.

    Source: Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks; the
    factor is that of Liu et al. 2025, Muon is scalable for LLM training, section 2.2.

    Args:
        matrices: weights with two dimensions.
        others: weights for AdamW, of any shape; may be none.
        weight_decay: decoupled, as AdamW's.

    Attributes:
        found_inf: 0 or 1, on the weights' device; 1 leaves the weights as they are.
    """

    found_inf: Tensor | None = None

    def __init__(
        self,
        matrices: Iterable[Tensor],
        others: Iterable[Tensor] = (),
        *,
        lr: float,
        weight_decay: float,
    ) -> None:
        groups = [{"params": list(weights)} for weights in (matrices, others)]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update the weights by their gradients."""
        del closure
        for group, take in zip(self.param_groups, (self._muon, self._adamw), strict=True):
            if group["params"]:
                take(group["params"], group["lr"], group["weight_decay"])

    def _muon(self, weights: list[Tensor], rate: float, decay: float) -> None:
        gradients: list[Any] = [weight.grad for weight in weights]
        (momenta,) = self._states(weights, "momentum")
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        moves = orthogonal(torch._foreach_lerp(gradients, momenta, MOMENTUM))
        # 0.2 √(longer side): the usual root mean square of AdamW's step (from the paper)
        torch._foreach_mul_(moves, [-0.2 * rate * max(move.shape) ** 0.5 for move in moves])
        # moved weights in a tensor of their own, which a blocked step discards
        torch._foreach_add_(moves, weights, alpha=1 - rate * decay)
        if self.found_inf is None:
            torch._foreach_copy_(weights, moves)
            return
        free = self.found_inf == 0  # a tensor: `if` would wait for the device
        for weight, moved in zip(weights, moves, strict=True):
            torch.where(free, moved, weight, out=weight)

    def _adamw(self, weights: list[Tensor], rate: float, decay: float) -> None:
        gradients: list[Any] = [weight.grad for weight in weights]
        steps, means, squares = self._states(weights, "steps", "exp_avg", "exp_avg_sq")
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            weights,
            gradients,
            means,
            squares,
            [],
            steps,
            lr=rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
            found_inf=self.found_inf,
        )

    def _states(self, weights: list[Tensor], *names: str) -> list[list[Tensor]]:
        """State tensors by name, one a weight; zeros at first."""
        states = [self.state[weight] for weight in weights]
        for weight, state in zip(weights, states, strict=True):
            if not state:  # "steps" is a scalar tensor, as the fused kernel needs it
                shapes = {name: () if name == "steps" else weight.shape for name in names}
                state.update({name: weight.new_zeros(shape) for name, shape in shapes.items()})
        return [[state[name] for state in states] for name in names]


def orthogonal(parts: Sequence[Tensor], iterations: int = NEWTON_SCHULZ_ITERATIONS) -> list[Tensor]:
    """Bring the singular values of matrices near 1 and retain their directions.

    Each round takes the singular values σ of a matrix, divided by its Frobenius norm at first,
    to 3.4445 σ − 4.775 σ³ + 2.0315 σ⁵. With P(S) that polynomial by powers of S = Uᵀ U, a round
    is U ← U P(S) and S ← P(S) S P(S): so all but the first and the last product are of small
    squares. Zeros fill the matrices up to one shape, so that each product is one of a batch.

    Args:
        parts: [row, column] each, of any shapes; best with few columns.
        iterations: number of rounds.

    Returns:
        parts: of the same shapes, views of one tensor; 0 where all of a matrix is.
    """
    a, b, c = COEFFICIENTS
    rows, columns = (max(part.shape[way] for part in parts) for way in (0, 1))
    whole = parts[0].new_zeros(len(parts), rows, columns)
    torch._foreach_copy_(_like(whole, parts), list(parts))
    square = whole.mT @ whole
    # 1e-30: a gradient of zeros gives zeros, not NaN
    size = square.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-30).view(-1, 1, 1)
    square /= size  # the trace of Uᵀ U is the square of the Frobenius norm of U
    product = square
    for done in range(iterations):
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        product = product @ factor if done else factor
        if done + 1 < iterations:
            square = factor @ square @ factor
    return _like(whole @ (product / size.sqrt()), parts)


def _like(whole: Tensor, parts: Sequence[Tensor]) -> list[Tensor]:
    """Top left corners of a batch of matrices, in the parts' shapes."""
    return [one[: part.shape[0], : part.shape[1]] for one, part in zip(whole, parts, strict=True)]
