"""Sides in processes of their own: state from turn to turn, errors, memory."""

import os

import pytest

from cmapss_rul.bench.workers import Side, in_turn, once
from cmapss_rul.system.errors import RulError
from tests.bench.makes import counter, failing, memory


def test_a_side_keeps_its_state_and_its_process():
    with Side(counter, 3, by=2) as side:
        (first, process), (second, same) = side(), side()
    assert (first, second) == (3, 5)
    assert process == same != os.getpid()


def test_a_side_is_gone_afterwards():
    with Side(counter, 0) as side:
        _, process = side()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("user", "found a, expected b"),
        ("defect", "ValueError: of two lines"),
        ("death", "failing: its process ended with exit code 7"),
    ],
)
def test_what_fails_there_is_said_here_in_one_line(error, text):
    with pytest.raises(RulError) as raised:
        once(failing, error)
    assert str(raised.value) == text


def test_the_peak_is_that_of_the_side_and_outlasts_the_memory():
    block = b"y" * 200_000_000  # of this process, which the side must not be charged with
    assert 40 < once(memory, 50) < 60
    del block


def test_turns_alternate_and_the_warm_up_is_dropped():
    order = []

    def side(name):
        def work():
            order.append(name)
            return len(order)

        return work

    found = in_turn({"A": side("A"), "B": side("B")}, turns=2, warm_up=1)
    assert order == ["A", "B", "A", "B", "A", "B"]
    assert found == {"A": [3, 5], "B": [4, 6]}
