import signal
import threading

import pytest

from texsynth.command.interruption import Interrupted, Interruption

BOTH = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", BOTH)
def test_it_ends_at_once_while_there_is_nothing_to_save(number):
    with pytest.raises(Interrupted) as caught, Interruption():
        signal.raise_signal(number)
    assert caught.value.number == number


@pytest.mark.parametrize("number", BOTH)
def test_in_order_the_first_is_noted_and_the_second_ends_at_once(number):
    with Interruption() as interruption:
        interruption.in_order = True
        signal.raise_signal(number)
        assert interruption.number == number
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
    assert interruption.number == number


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in BOTH]
    with pytest.raises(ZeroDivisionError), Interruption():
        assert all(signal.getsignal(number) not in before for number in BOTH)
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in BOTH] == before


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGTERM)
        assert interruption.number is None
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_handler_from_outside_python_is_left_alone(monkeypatch):
    """``signal.getsignal`` returns ``None`` for it, which ``signal.signal`` does not take."""
    set_handlers = []
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    monkeypatch.setattr(signal, "signal", lambda *call: set_handlers.append(call))
    with Interruption():
        pass
    assert set_handlers == []


def test_another_thread_can_work_without_signals():
    entered = []

    def work():
        with Interruption() as interruption:
            entered.append(interruption.number)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [None]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_come_here_unless_they_are_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Interruption():
            assert signal.getsignal(number) is signal.SIG_IGN
        assert signal.getsignal(number) is signal.SIG_IGN
        signal.signal(number, signal.SIG_DFL)
        with Interruption(), pytest.raises(Interrupted) as caught:
            signal.raise_signal(number)
        assert caught.value.number == number
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
