"""``python -m texsynth``."""

from texsynth.cli import main

main()
