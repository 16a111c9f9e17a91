"""Loss balancing: methods that combine the RUL and the health loss into one.

docs/balancers.md shows how to add one: a file of its own and an entry in the union below.
"""

from typing import Annotated

from pydantic import Field

from cmapss_rul.balancers.amnl import AMNLConfig, AMNLEMAConfig
from cmapss_rul.balancers.base import BalancedLoss, Balancer
from cmapss_rul.balancers.dtp import DTPConfig
from cmapss_rul.balancers.dwa import DWAConfig
from cmapss_rul.balancers.fixed import FixedConfig
from cmapss_rul.balancers.gaba import GABAConfig
from cmapss_rul.balancers.geometric_mean import GeometricMeanConfig
from cmapss_rul.balancers.gradnorm import GradNormConfig
from cmapss_rul.balancers.random import RandomConfig
from cmapss_rul.balancers.torchjd import TorchJDConfig
from cmapss_rul.balancers.uncertainty import UncertaintyConfig

__all__ = ["BalancedLoss", "Balancer", "BalancerConfig", "FixedConfig"]

BalancerConfig = Annotated[
    FixedConfig
    | AMNLConfig
    | AMNLEMAConfig
    | UncertaintyConfig
    | GradNormConfig
    | DTPConfig
    | DWAConfig
    | GABAConfig
    | GeometricMeanConfig
    | RandomConfig
    | TorchJDConfig,
    Field(discriminator="name"),
]  # fmt: skip
