"""``python -m texsynth.evaluate``."""

from texsynth.evaluation.cli import main

if __name__ == "__main__":
    main()
