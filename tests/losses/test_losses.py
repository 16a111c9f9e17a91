from cmapss_rul.losses import LossConfig
from cmapss_rul.losses.rul import HuberConfig, WeightedMSEConfig


def test_defaults():
    config = LossConfig()
    assert config.rul == WeightedMSEConfig()
    assert config.health.classes == 3


def test_members_are_chosen_by_name():
    config = LossConfig.model_validate(
        {"rul": {"name": "huber", "delta": "2e1"}, "health": {"boundaries": [80, 30]}}
    )
    assert config.rul == HuberConfig(delta=20)
    assert config.health.boundaries == (80, 30)
    assert LossConfig.model_validate(config.model_dump()) == config
