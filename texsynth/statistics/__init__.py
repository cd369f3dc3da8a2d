"""Pure mathematics on activations and images."""
