"""What `scripts/paper_figures` makes its figures of."""
