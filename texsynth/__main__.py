"""``python -m texsynth``, and the command ``texsynth``."""

import signal

from texsynth.command.cli import main

_BY_SIGNAL = tuple(128 + number for number in (signal.SIGINT, signal.SIGTERM))


def run():
    """Carries the command out and ends the process; what a signal ended, Ctrl-C does not end again.

    Python takes some tenths of a second to end, in which that would take the place of the exit
    code. SIGTERM still ends it at once, should it hang.
    """
    try:
        main()
    except SystemExit as ended:
        if ended.code in _BY_SIGNAL:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise


if __name__ == "__main__":
    run()
