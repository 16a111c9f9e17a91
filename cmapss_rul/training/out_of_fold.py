"""Out-of-fold predictions of an ensemble: each engine by the network that it did not train."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.trainset import prepare_training_data
from cmapss_rul.data.windows import LabelledWindows
from cmapss_rul.model.network import predict
from cmapss_rul.system.errors import RulError
from cmapss_rul.training.trained_model import TrainedModel


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictions at every cycle of the engines that failed, fold after fold.

    Attributes:
        predicted: [window], RUL, clamped to [0, cap], cycles.
        probabilities: [window, class], on the CPU.
        labelled: the windows and their labels, on the CPU.
    """

    predicted: NDArray[np.float64]
    probabilities: Tensor
    labelled: LabelledWindows


def predict_out_of_fold(ensemble: TrainedModel, fleet: Fleet) -> OutOfFold:
    """Predict the validation engines of each network.

    Args:
        ensemble: a model with members.
        fleet: its training file.

    Raises:
        RulError: a prediction is not finite.
    """
    # less the engines held out as test set: with them the folds would be drawn otherwise
    fleet = fleet.select_engines(np.array(ensemble.engines.training))
    predicted, probabilities, labelled = [], [], []
    for member in ensemble.members:
        config, device = member.config, next(member.network.parameters()).device
        boundaries = config.loss.health.boundaries
        data = prepare_training_data(fleet, config.data, config.split, boundaries, config.seed)
        rul, shares = predict(member.network, data.validation.windows.to(device))
        if not rul.isfinite().all():
            raise RulError(
                f"a prediction of fold {config.split.fold} for an engine that it validates on was "
                "not finite; try a smaller train.learning_rate"
            )
        predicted.append(rul.clamp(0, config.data.cap).cpu().double().numpy())
        probabilities.append(shares.cpu())
        labelled.append(data.validation)
    return OutOfFold(
        np.concatenate(predicted), torch.cat(probabilities), LabelledWindows.concatenate(labelled)
    )
