"""Notebooks: a synthesis is seen where it is called, while it runs."""

from texsynth.notebook.show import Show

__all__ = ["Show"]
