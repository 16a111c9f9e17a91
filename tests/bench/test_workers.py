"""Contenders in worker processes: state from turn to turn, errors, memory."""

import os

import pytest

from cmapss_rul.bench.measurement import Contender, alternate, measure_once
from cmapss_rul.system.errors import RulError
from tests.bench.contenders import counter, failing, memory


def test_a_contender_keeps_its_state_and_its_process():
    with Contender(counter, 3, by=2) as contender:
        (first, process), (second, same) = contender(), contender()
    assert (first, second) == (3, 5)
    assert process == same != os.getpid()


def test_a_process_is_gone_afterwards():
    with Contender(counter, 0) as contender:
        _, process = contender()
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
def test_a_failure_is_raised_here_in_one_line(error, text):
    with pytest.raises(RulError) as raised:
        measure_once(failing, error)
    assert str(raised.value) == text


def test_the_peak_is_that_of_the_process_and_outlasts_the_memory():
    block = b"y" * 200_000_000  # of this process, which must not count for the other
    assert 40 < measure_once(memory, 50) < 60
    del block


def test_turns_alternate_and_the_warm_up_is_dropped():
    order = []

    def contender(name):
        def work():
            order.append(name)
            return len(order)

        return work

    found = alternate({"A": contender("A"), "B": contender("B")}, turns=2, warm_up=1)
    assert order == ["A", "B", "A", "B", "A", "B"]
    assert found == {"A": [3, 5], "B": [4, 6]}
