"""The loop: levels, a level under way, what suits a texture, what is saved and gone on from."""
