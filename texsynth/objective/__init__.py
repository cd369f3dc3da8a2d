"""From image to loss and gradient: whole, in blocks or in strips, as memory and processes allow."""
