"""Predictions for many windows."""

import torch
from torch import Tensor

from cmapss_rul.data.windows import Windows
from cmapss_rul.model.network import Network

BATCH = 1024
"""Windows at a time: larger ones gain nothing on two cores."""


@torch.inference_mode()
def predict(network: Network, windows: Windows, batch_size: int = BATCH) -> tuple[Tensor, Tensor]:
    """Predict in evaluation mode, in batches, on the windows' device.

    The network is put back into the mode that it was in.

    Args:
        network: on the same device as the windows.
        windows: any number of them.
        batch_size: windows at a time.

    Returns:
        rul: [window], cycles, not clamped.
        probabilities: [window, class].
    """
    was_training = network.training
    network.eval()
    index = torch.arange(len(windows), device=windows.ends.device)
    outputs = [network(windows.gather(part)) for part in torch.split(index, batch_size)]
    network.train(was_training)
    rul = torch.cat([output.rul for output in outputs])
    return rul, torch.cat([output.health for output in outputs]).softmax(dim=-1)
