"""Files written whole or not at all, checkpoints, and text of unknown origin for a terminal."""

from texsynth.files.writing import check_target, is_same_file, write_text, written_whole

__all__ = ["check_target", "is_same_file", "write_text", "written_whole"]
