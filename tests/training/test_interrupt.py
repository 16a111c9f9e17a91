import signal
import threading

import pytest

from cmapss_rul.training.interrupt import Interrupted, StopSignals


@pytest.fixture(autouse=True)
def _handlers_stay():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_kept_as_a_wish(number):
    with StopSignals() as stop:
        assert stop.received is None
        signal.raise_signal(number)
        assert stop.received == number


def test_the_first_signal_counts():
    with StopSignals() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.received == signal.SIGINT


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_ends_at_once(first):
    with pytest.raises(KeyboardInterrupt), StopSignals():  # noqa: PT012
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGINT)


def test_the_handlers_are_put_back_after_an_error():
    with pytest.raises(ValueError, match="mine"), StopSignals():
        raise ValueError("mine")


def test_a_handler_that_python_did_not_set_is_left_alone():
    former = signal.getsignal(signal.SIGTERM)
    with StopSignals() as stop:
        stop._former[signal.SIGTERM] = None  # what signal.signal answers in that case
    signal.signal(signal.SIGTERM, former)


def test_nothing_is_caught_outside_the_main_thread():
    found = []

    def work():
        with StopSignals() as stop:
            found.append((stop.received, stop._former))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(None, {})]


def test_an_interrupt_carries_its_exit_code():
    assert Interrupted("go on with …", 143).exit_code == 143
