"""Materials: stacks of maps of one surface, as a renderer takes them."""
