"""The battery on every balancer in every variant."""

import pytest

from tests.balancers.battery import BATTERY, build
from tests.balancers.variants import MEMBERS, VARIANTS, title


@pytest.mark.parametrize("config", VARIANTS, ids=title)
@pytest.mark.parametrize("check", BATTERY, ids=lambda check: check.__name__)
def test_battery(check, config):
    check(config)


def test_all_methods_are_in_the_union():
    names = [member().name for member in MEMBERS]
    assert {"fixed", "amnl", "amnl_ema", "uncertainty", "gradnorm"} <= set(names)
    assert {"dtp", "dwa", "geometric_mean", "random", "torchjd:imtl_l"} <= set(names)
    assert len(set(names)) == len(names)


def test_every_variant_has_its_own_repr():
    texts = [repr(build(config)) for config in VARIANTS]
    assert len(set(texts)) == len(texts)
