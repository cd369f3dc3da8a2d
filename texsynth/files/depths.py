"""How pictures may be written; the command's help tells it without NumPy and Pillow."""

DEPTHS = ("8", "16", "float")
"""How many bits a channel has; "float" has 32, and the 16 of an OpenEXR are such numbers, too."""

QUALITY = 95
"""Of a JPEG, by default."""
