"""The two losses: RUL regression and health classification."""

from pydantic import Field

from cmapss_rul.config.base import Config
from cmapss_rul.losses.health import CrossEntropy, HealthLossConfig
from cmapss_rul.losses.rul import RulLoss, RulLossConfig, WeightedMSEConfig

__all__ = ["CrossEntropy", "HealthLossConfig", "LossConfig", "RulLoss", "RulLossConfig"]


class LossConfig(Config):
    """The `loss` part of a configuration."""

    rul: RulLossConfig = Field(WeightedMSEConfig(), description="Loss of the RUL task.")
    health: HealthLossConfig = Field(
        HealthLossConfig(), description="Loss of the health task, and its classes."
    )
