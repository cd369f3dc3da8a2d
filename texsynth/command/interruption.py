"""SIGINT and SIGTERM: an end at once, or in good order where there is something to save."""

import signal
import threading


class Interrupted(KeyboardInterrupt):
    """A signal that ends the work at once.

    Args:
        number (int): The signal's.

    Attributes:
        number (int): The same.
    """

    def __init__(self, number):
        super().__init__(number)
        self.number = number


class Interruption:
    """A context manager in which signals, by default SIGINT and SIGTERM, come here.

    A signal raises :class:`Interrupted`. While ``in_order`` is set, the first one is only noted,
    and the second raises.

    Args:
        signals (tuple): Numbers of those that come here.

    Attributes:
        in_order (bool): Whether there is something to save; set by whoever has it.
        number (int): The signal that was noted, or ``None``.
    """

    def __init__(self, signals=(signal.SIGINT, signal.SIGTERM)):
        self._signals = signals
        self.in_order = False
        self.number = None
        self._before = {}

    def __enter__(self):
        """Takes the signals over, but for those that are ignored, as ``nohup`` wants it."""
        if threading.current_thread() is not threading.main_thread():
            return self  # Python lets no other thread have them
        for number in self._signals:
            handler = signal.getsignal(number)
            # None is a handler that was not installed from Python: nobody could put it back.
            if handler is not None and handler is not signal.SIG_IGN:
                self._before[number] = handler
                signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exception):
        """Gives the signals back."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _on_signal(self, number, frame):
        if not self.in_order or self.number is not None:
            raise Interrupted(number)
        self.number = number
