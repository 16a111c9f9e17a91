"""The example in docs/balancers.md is complete and passes the battery."""

import importlib.util
import re
from pathlib import Path
from typing import Annotated

import pytest
import torch
from pydantic import Field, TypeAdapter

from cmapss_rul.balancers import BalancerConfig
from tests.balancers.battery import BATTERY
from tests.balancers.variants import MEMBERS

PAGE = Path(__file__).parents[2] / "docs" / "balancers.md"


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """Import the example's code as a module."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    path = tmp_path_factory.mktemp("balancers") / "first_loss.py"
    path.write_text(code, "utf-8")
    spec = importlib.util.spec_from_file_location("first_loss", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("check", BATTERY, ids=lambda check: check.__name__)
def test_example_passes_the_battery(check, example):
    check(example.FirstLossConfig())


def test_example_joins_the_union_by_its_name(example):
    union = Annotated[BalancerConfig | example.FirstLossConfig, Field(discriminator="name")]
    config = TypeAdapter(union).validate_python({"name": "first_loss", "floor": "1e-6"})
    assert config == example.FirstLossConfig(floor=1e-6)


def test_example_does_what_its_formula_says(example):
    balancer = example.FirstLossConfig().build()
    balancer(torch.tensor([2000.0, 1.0]))
    total, weights = balancer(torch.tensor([500.0, 3.0]))
    torch.testing.assert_close(weights, torch.tensor([0.00025, 0.5]))
    assert total.item() == 0.125 + 1.5


def test_every_member_is_in_the_table():
    text = PAGE.read_text("utf-8")
    for member in MEMBERS:
        assert f"\n| `{member().name}` |" in text
