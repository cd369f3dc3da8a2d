"""What scripts/benchmark times beside evaluations."""
