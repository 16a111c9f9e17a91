"""Muon: momentum with orthogonalised updates, for hidden weight matrices."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95  # *from the paper*, as the next line
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_ITERATIONS = 2  # *measured*: as good as the paper's 5, in less time
BETAS, EPSILON = (0.9, 0.999), 1e-8  # PyTorch's defaults of AdamW


class Muon(torch.optim.Optimizer):
    """Muon for weight matrices, and AdamW for all other weights, in one optimiser.

    In each step, with the gradient G of a matrix W:

    - M ← 0.95 M + 0.05 G and U = 0.95 M + 0.05 G (Nesterov);
    - O: U with each singular value σ replaced by one near 1, see `orthogonalise`;
    - W ← (1 − rate · decay) W − rate · 0.2 √(longer side of W) · O.

    The factor 0.2 √(longer side) gives updates the RMS of AdamW's, so that both share a learning
    rate. `torch.optim.Muon` has the same update, but in bfloat16 and matrix by matrix: *measured*,
    more than twice as slow here. It also lacks `found_inf`, which skips a non-finite step without
    a host synchronisation. AdamW's update is PyTorch's fused kernel, called directly because,
    *measured*, the overhead of a second optimiser exceeds the time of the kernel.

    Source: Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks; the
    factor is that of Liu et al. 2025, Muon is scalable for LLM training, section 2.2.

    Args:
        matrices: two-dimensional weights, for Muon.
        others: all other weights, for AdamW; may be empty.
        lr: learning rate of both.
        weight_decay: decoupled weight decay of both.

    Attributes:
        found_inf: 0 or 1, on the weights' device; 1 skips the update of the weights.
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
        moves = orthogonalise(torch._foreach_lerp(gradients, momenta, MOMENTUM))
        # *from the paper*: 0.2 √(longer side) matches the usual RMS of AdamW's updates
        torch._foreach_mul_(moves, [-0.2 * rate * max(move.shape) ** 0.5 for move in moves])
        # the new weights in separate tensors, which a skipped step discards
        torch._foreach_add_(moves, weights, alpha=1 - rate * decay)
        if self.found_inf is None:
            torch._foreach_copy_(weights, moves)
            return
        free = self.found_inf == 0  # a tensor: `if` would be a host synchronisation
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
        """Return the state tensors of each name, one per weight; initialised to zero."""
        states = [self.state[weight] for weight in weights]
        for weight, state in zip(weights, states, strict=True):
            if not state:  # "steps" is a scalar tensor, as the fused kernel needs it
                shapes = {name: () if name == "steps" else weight.shape for name in names}
                state.update({name: weight.new_zeros(shape) for name, shape in shapes.items()})
        return [[state[name] for state in states] for name in names]


def orthogonalise(
    matrices: Sequence[Tensor], iterations: int = NEWTON_SCHULZ_ITERATIONS
) -> list[Tensor]:
    """Orthogonalise matrices approximately by Newton-Schulz iteration, with a quintic polynomial.

    A matrix U is first divided by its Frobenius norm. Each iteration then maps its singular
    values σ to 3.4445 σ − 4.775 σ³ + 2.0315 σ⁵, which moves them near 1 without changing the
    singular vectors. Written as a polynomial P in S = Uᵀ U, an iteration is U ← U P(S) and
    S ← P(S) S P(S), so all products but the first and the last are of small square matrices.
    The matrices are zero-padded to a common shape, so that each product is a batched one.

    Args:
        matrices: [row, column] each, of any shapes; efficient with few columns.
        iterations: number of iterations.

    Returns:
        matrices: of the same shapes, views of one tensor; a zero matrix stays zero.
    """
    a, b, c = COEFFICIENTS
    rows, columns = (max(matrix.shape[dim] for matrix in matrices) for dim in (0, 1))
    padded = matrices[0].new_zeros(len(matrices), rows, columns)
    torch._foreach_copy_(_crop(padded, matrices), list(matrices))
    square = padded.mT @ padded
    # 1e-30: a zero gradient gives zeros, not NaN
    size = square.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-30).view(-1, 1, 1)
    square /= size  # trace of Uᵀ U = squared Frobenius norm of U
    product = square
    for done in range(iterations):
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        product = product @ factor if done else factor
        if done + 1 < iterations:
            square = factor @ square @ factor
    return _crop(padded @ (product / size.sqrt()), matrices)


def _crop(padded: Tensor, matrices: Sequence[Tensor]) -> list[Tensor]:
    """Crop a batch of padded matrices to the shapes of the given ones."""
    return [
        one[: matrix.shape[0], : matrix.shape[1]]
        for one, matrix in zip(padded, matrices, strict=True)
    ]
