"""``python -m texsynth``."""

from texsynth.command.cli import main

main()
