import pytest
import torch

from cmapss_rul.balancers.kpis import kpis_of


def test_by_hand():
    # Errors 0, 10, 10.5 and −10: three are close. Classes 2, 0, 1 and 1 of 2, 1, 1 and 1: three.
    rul = torch.tensor([30.0, 40.0, 60.5, 80.0])
    true = torch.tensor([30.0, 30.0, 50.0, 90.0])
    logits = torch.tensor([[0.0, 1, 2], [3, 0, 1], [-1, 5, 0], [0, 1, 0]])
    found = kpis_of(rul, logits, true, torch.tensor([2, 1, 1, 1]))
    assert found.tolist() == [0.75, 0.75]


@pytest.mark.parametrize(("error", "share"), [(10.0, 1.0), (10.001, 0.0), (-10.0, 1.0)])
def test_ten_cycles_are_close_and_more_are_not(error, share):
    found = kpis_of(torch.tensor([error]), torch.zeros(1, 3), torch.zeros(1), torch.zeros(1))
    assert found.tolist() == [share, 1.0]


def test_what_is_not_a_number_is_not_right_and_has_no_gradient():
    rul = torch.tensor([float("nan"), 5.0], requires_grad=True)
    found = kpis_of(rul, torch.zeros(2, 3), torch.zeros(2), torch.ones(2))
    assert found.tolist() == [0.5, 0.0]
    assert not found.requires_grad


def test_half_precision_predictions_are_compared_with_labels_as_they_are():
    rul = torch.tensor([100.0], dtype=torch.bfloat16)
    found = kpis_of(rul, torch.zeros(1, 3), torch.tensor([90.25]), torch.zeros(1))
    assert found.tolist() == [1.0, 1.0]
    assert found.dtype == torch.float32
