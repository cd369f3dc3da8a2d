"""One stack of maps of the command: told of, written to its files."""

import sys

from texsynth.command import overwriting, provenance, record
from texsynth.command.job import Job
from texsynth.command.outputs import is_below_here, make_folder
from texsynth.command.stack_outputs import StackOutputs
from texsynth.errors import TexsynthError


def job_for(recipe, outputs, *more):
    """Returns the job that writes to these files, a :class:`texsynth.command.job.Job`.

    Args:
        recipe (texsynth.command.recipe.Recipe): What is made.
        outputs: The files, of a texture or of a stack.
        more: What else the job takes.
    """
    kind = StackJob if isinstance(outputs, StackOutputs) else Job
    return kind(recipe, outputs, *more)


class StackJob(Job):
    """One stack of maps; as the job of a texture."""

    def is_done(self):
        """Returns whether all files are there as they would be made, and finished."""
        outputs, expected = self.outputs, provenance.origin(self.recipe)
        is_there = bool(outputs.maps) and all(
            provenance.is_finished(path, {**expected, **text})
            for path, text in outputs.texts.items()
        )
        if not (is_there and all(path.is_file() for path in outputs.documents)):
            return False
        return not outputs.keeping.record or self._has_record()

    def save(self, result):
        """Writes the files.

        Args:
            result (texsynth.StackResult): The maps.
        """
        from texsynth.materials import writing

        if not result.is_finished:
            self.outputs = overwriting.for_a_stopped_one(self.outputs, self.recipe)
        outputs, how = self.outputs, self.outputs.written
        make_folder(outputs.folder)
        text = {**provenance.origin(self.recipe), **result.account()}
        for name, path in outputs.maps.items():
            told = {**text, **outputs.texts[path]}
            asked = how.convention, outputs.keeping.depth, told
            writing.write({name: result.maps[name]}, {name: path}, *asked)
            self.written.append(path)
        for path in how.exports.write(result.maps, outputs.folder, outputs.name, text):
            self.written.append(path)
        if outputs.keeping.record:
            self._save_record(result)

    def _save_record(self, result):
        outputs = self.outputs
        made = record.compose(sys.argv, self.recipe, result, self._is_lengthened)
        made["sha256"]["files"] = self._checksums_of_files()
        made["written"] = {"depth": outputs.keeping.depth, "normal": outputs.written.convention}
        record.save(outputs.record, made)
        self.written.append(outputs.record)

    def _has_record(self):
        """Whether the record is that of the maps which are there."""
        try:
            told = record.read(self.outputs.record)
            return told.checksums["files"] == self._checksums_of_files()
        except TexsynthError:
            return False

    def _checksums_of_files(self):
        """Checksums of what is read of the files of maps, by kind."""
        from texsynth import images

        maps = self.outputs.maps.items()
        return {name: images.checksum(images.read_map(path)) for name, path in maps}

    def _tell_of_size(self):
        """Says nothing: the study of the stack did."""

    @property
    def _whither(self):
        """As there: of a folder."""
        folder = self._asked_for.folder
        return "" if is_below_here(folder / "maps") else f" -o {folder}"

    def _account_of(self, result):
        """A line about how well the maps fit."""
        from texsynth.metrics import alignment

        try:
            kept = alignment.alignment_kept(alignment.alignment(result.exemplar, result.maps))
        except TexsynthError:  # too small for it
            return []
        return [] if kept is None else [f"alignment of the maps, of the exemplar's own: {kept:.2f}"]
