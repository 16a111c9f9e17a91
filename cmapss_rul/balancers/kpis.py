"""How well each task is done on a batch, as one number in [0, 1] each."""

import torch
from torch import Tensor

CLOSE = 10.0
"""Error of a RUL prediction that still counts as right, cycles."""


@torch.no_grad()
def kpis_of(rul: Tensor, logits: Tensor, true_rul: Tensor, true_health: Tensor) -> Tensor:
    """Return the key performance indicators of a batch, without waiting for the device.

    Args:
        rul: [batch], predicted, cycles, as the network gives it.
        logits: [batch, class], of the health classes.
        true_rul: [batch], capped labels, cycles.
        true_health: [batch], classes.

    Returns:
        [2]: the share of RUL predictions at most 10 cycles from the label, and the accuracy
        of the health classes.

    >>> logits = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
    >>> kpis_of(torch.tensor([20.0, 99.0]), logits, torch.tensor([30.0, 50.0]), torch.ones(2))
    tensor([0.5000, 0.5000])
    """
    right = torch.stack([(rul - true_rul).abs() <= CLOSE, logits.argmax(dim=1) == true_health])
    return right.float().mean(dim=1)
