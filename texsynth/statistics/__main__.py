"""``python -m texsynth.statistics``."""

from texsynth.command.statistics import main

if __name__ == "__main__":
    main()
