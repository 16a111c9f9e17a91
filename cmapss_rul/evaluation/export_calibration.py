"""The parts of an exported graph from the calibration: interval, estimate for the NASA score."""

import torch
from torch import Tensor, nn

from cmapss_rul.evaluation.intervals import interval_level
from cmapss_rul.intervals.calibration import Calibration
from cmapss_rul.training.trained_model import TrainedModel


class IntervalGraph(nn.Module):
    """The interval around each prediction; equals `Calibration.bounds`.

    Shapes:
        rul: float32 [batch], clamped to [0, cap], cycles.
        returns: lower and upper bound, float32 [batch], cycles.
    """

    knots: Tensor
    scales: Tensor
    edges: Tensor
    quantiles: Tensor

    def __init__(self, calibration: Calibration, level: float, cap: int) -> None:
        super().__init__()
        index = calibration.levels.index(level)
        banded = bool(calibration.edges)
        quantiles = calibration.band_quantiles[index] if banded else [calibration.quantiles[index]]
        self.cap = cap
        self.register_buffer("edges", torch.tensor(calibration.edges, dtype=torch.float64))
        self.register_buffer("quantiles", torch.tensor(quantiles, dtype=torch.float64))
        scales = [calibration.late, calibration.early]
        self.register_buffer("knots", torch.tensor(calibration.knots, dtype=torch.float64))
        self.register_buffer("scales", torch.tensor(scales, dtype=torch.float64))

    @classmethod
    def of(cls, model: TrainedModel) -> "IntervalGraph | None":
        """Build the interval of a model at the level nearest to 0.9; None where it has none."""
        level = interval_level(model)
        if level is None or model.calibration is None:
            return None
        return cls(model.calibration, level, model.config.data.cap)

    def forward(self, rul: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lower and the upper bound."""
        rul = rul.double()
        late, early = _interpolate(rul, self.knots, self.scales)
        bound = self.quantiles  # one without bands
        if len(self.edges):
            bound = bound[(rul.unsqueeze(1) >= self.edges).sum(dim=1)]
        lower = (rul - bound * late).clamp(0, self.cap)
        return lower.float(), (rul + bound * early).clamp(0, self.cap).float()


class NasaShift(nn.Module):
    """From the network's estimate to that for the NASA score; see `Calibration.nasa_estimate`.

    Shapes:
        rul: float32 [batch], clamped to [0, cap], cycles.
        returns: float32 [batch], cycles, at most 0.
    """

    knots: Tensor
    shifts: Tensor

    def __init__(self, calibration: Calibration | None) -> None:
        super().__init__()
        assert calibration is not None  # `estimated_rul` refuses a model without shifts
        self.register_buffer("knots", torch.tensor(calibration.nasa_knots, dtype=torch.float64))
        self.register_buffer("shifts", torch.tensor([calibration.nasa_shifts], dtype=torch.float64))

    def forward(self, rul: Tensor) -> Tensor:
        """Return the shifts."""
        return _interpolate(rul.double(), self.knots, self.shifts)[0].float()


def _interpolate(at: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """np.interp as tensor operations, [row, batch] from values [row, knot].

    Constant beyond the outer knots, a step where two are one.
    """
    passed = (at.unsqueeze(1) >= knots).sum(dim=1)
    left, right = (passed - 1).clamp(min=0), passed.clamp(max=len(knots) - 1)
    gap = knots[right] - knots[left]
    # torch.where computes both branches: the inner one avoids 0 / 0
    share = torch.where(gap > 0, (at - knots[left]) / torch.where(gap > 0, gap, 1.0), 0.0)
    at_left = values[:, left]
    return at_left + share * (values[:, right] - at_left)
