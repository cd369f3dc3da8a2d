"""What `scripts/draw_textures` draws: painters of textures, a family a file."""
