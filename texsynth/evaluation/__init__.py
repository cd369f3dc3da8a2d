"""What ``python -m texsynth.evaluate`` is made of: records in files, reports, tables, a page."""
