"""The study of a damaged photograph: what its repair needs to know before a seed is chosen."""

import dataclasses

import numpy as np

from texsynth import images
from texsynth.errors import ConfigError
from texsynth.losses import IMAGE, check_takes_masks
from texsynth.losses.autocorrelation import AutocorrelationLoss
from texsynth.losses.band_power import BandPowerLoss
from texsynth.network import architecture
from texsynth.objective import masks
from texsynth.objective.held_memory import Held
from texsynth.objective.kept import Keep
from texsynth.objective.masks import Masks
from texsynth.synthesis import holes, octave, presets, pyramid
from texsynth.synthesis.borrowing import borrowed
from texsynth.synthesis.study import Study

_MARGIN = 32  # pixels beyond an edge that is made anew; zero padding marks those beside it
_ELSEWHERE = 0.05  # how much counts what lies elsewhere than where a hole's pieces came from
_FEW = 12  # steps that fit pieces together
_MOST = 0.4  # of the photograph that pieces may fill
_WHAT_IS_LEFT = "what stays of the photograph"


class RepairStudy(Study):
    """A damaged photograph, and all that is known of its repair before a seed is chosen.

    Args:
        workshop (Workshop): Where it will be made.
        damaged (texsynth.synthesis.holes.Damaged): The photograph, and what of it is made anew.
        source: ``(H, W, 3)`` array, RGB, 0..255, whose texture is taken; or ``None``.
        fills (bool): Whether holes may begin with pieces of what stays.

    Raises:
        texsynth.errors.TexsynthError: As for :func:`texsynth.repair`.
    """

    def __init__(self, workshop, damaged, source=None, fills=True):
        self.damaged = damaged
        wrap, seed = workshop.config.wrap, workshop.config.seed
        found = borrowed(damaged.photo, damaged.mask, wrap, seed)
        self._filled, self._origin, is_filled = found
        # Of little, pieces would repeat all that there is.
        self._fills = fills and is_filled and float(np.sign(damaged.mask).mean()) <= _MOST
        self._has_source = source is not None
        self._counts = {}
        super().__init__(
            workshop, source if self._has_source else _as_exemplar(self._filled, damaged.photo)
        )
        check_takes_masks(self.losses)
        for number in range(1, len(self.plan) + 1):
            self._counted_on_host(number, self.layers)  # which makes sure that enough is left

    def _chosen_scheme(self):
        """That of the preset; pieces need but few steps, at one level.

        They have the coarse structure. What coarser levels change of them, and what more steps do,
        shows at the edges: there the statistics that a hole lacks are made first, as a rim.
        """
        scheme, config = presets.unwrapped(super()._chosen_scheme()), self.workshop.config
        if not self._is_borrowed:
            return scheme
        few = {"levels": 1} if config.levels is None else {}
        few |= {"iterations": _FEW} if config.iterations is None else {}
        return dataclasses.replace(scheme, **few)

    def _chosen_losses(self):
        """Those of the preset, without autocorrelation and the power of bands.

        Of a hole, few pairs and frequencies make each value, whose noise would be wanted of it; and
        pieces go on in step without them.
        """
        losses = super()._chosen_losses()
        if self.workshop.config.losses is not None:
            return losses
        not_of_holes = AutocorrelationLoss, BandPowerLoss
        return [loss for loss in losses if not isinstance(loss, not_of_holes)]

    def _is_grey(self):
        return images.is_grey(self.exemplar) and images.is_grey(self._filled)

    _may_record = False  # what is recorded for a GPU counts all positions alike

    @property
    def _held(self):
        """Masks, of positions and pixels, and the images that a repair is blended from."""
        on_host = 3 + 3 + 1 + 1  # the photograph, it filled, its mask, where pieces come from
        on_device = 3 * 3 + 3 + 1  # what stays; what is shown, twice; its gradient; the mask
        is_cpu = self.workshop.device.xp is np
        return Held(on_device + on_host * is_cpu, 1, 0 if self._has_source else 1)

    @property
    def _edges(self):
        """Pixels beyond the edges of the photograph, ``(rows, columns)``."""
        mask, found = self.damaged.mask, []
        for axis, wraps in zip((2, 3), self.workshop.config.wrap, strict=True):
            rows = mask.any(axis=(0, 1, 5 - axis))
            found.append(_MARGIN if wraps or rows[:_MARGIN].any() or rows[-_MARGIN:].any() else 0)
        return tuple(found)

    def _planned(self):
        """The levels. Their canvases wrap nothing: what tiles has copies around it, of any size."""
        scheme, photo = self.scheme, self.damaged.photo
        smallest = architecture.smallest_side(self.layers) if self.layers else 1
        pyramid.check_sides("photograph", photo.shape[:1:-1], smallest)
        if self._has_source:
            pyramid.check_sides("source", self.exemplar.shape[:1:-1], smallest)
        planned = pyramid.plan(
            self.exemplar.shape[:1:-1],
            photo.shape[:1:-1],
            scheme.iterations,
            scheme.levels,
            smallest,
            pad=scheme.pad,
            trim=scheme.trim,
            least_positions=scheme.least_positions,
        )
        return [self._with_edges(level) for level in planned]

    def _with_edges(self, level):
        """A level with what lies beyond the edges, as much of it at each."""
        width, height = level.output_size
        rows, columns = (min(edge, width, height) for edge in self._edges)
        return level._replace(canvas_size=(width + 2 * columns, height + 2 * rows))

    def _mask(self, level):
        """How much of each pixel of a level is made anew, ``(1, 1, H, W)``."""
        return holes.at_size(self.damaged.mask, level.output_size)

    def _on_canvas(self, image, level):
        """An image of a level with what lies beyond its edges: its other side, or mirrored."""
        for axis, (edge, wraps) in enumerate(
            zip(level.margin, self.workshop.config.wrap, strict=True), 2
        ):
            widths = [(0, 0)] * 4
            widths[axis] = (edge, edge)
            image = np.pad(image, widths, mode="wrap" if wraps else "symmetric")
        return image

    def keep(self, number):
        """Returns what stays of a level's canvas, see :meth:`Study.keep`.

        At coarser levels no pixel stays that has anything of a hole.

        Args:
            number (int): Which level, from 1, the coarsest.
        """
        level = self.plan[number - 1]
        is_finest = number == len(self.plan)
        mask = self._mask(level) if is_finest else np.sign(self._mask(level))
        photo = self.damaged.photo if is_finest else images.fit(self._filled, level.output_size)
        around = tuple(
            edge if wraps else 0
            for edge, wraps in zip(level.margin, self.workshop.config.wrap, strict=True)
        )
        return Keep(self._on_canvas(photo, level), self._on_canvas(mask, level), around)

    def _counted(self, number, layers):
        host, device = self._counted_on_host(number, layers), self.workshop.device
        return Masks(
            *(each and {name: device.send(mask) for name, mask in each.items()} for each in host)
        )

    def _counted_on_host(self, number, layers):
        """What sees little but what stays, of the exemplar; what sees the holes, of the image."""
        key = number, tuple(sorted(layers))
        if key not in self._counts:
            self._counts[key] = self._newly_counted(number, layers)
        return self._counts[key]

    def _newly_counted(self, number, layers):
        level, table = self.plan[number - 1], self.workshop.table
        mask = self._mask(level)
        among = None
        if not self._has_source:
            stays = images.mirrored(1 - mask, level.padded_size)
            among = masks.within(masks.shares(stays, layers, table))
            edge = tuple(level.pad + cut for cut in level.trim)
            _check_what_is_left(among, stays.shape[2:], edge)
            origin = images.mirrored(
                holes.at_size(self._origin, level.output_size), level.padded_size
            )
            among = self._nearer(among, origin)
        made = masks.shares(self._on_canvas(mask, level), layers, table)
        return Masks(among, masks.touching(made))

    def _nearer(self, among, origin):
        """The same, with more of it about where pieces were taken from.

        What is made of them differs from them only where they meet their surroundings. If it were
        to have the statistics of all that stays, what the photograph does not have everywhere alike
        would be wanted of each hole, and would come as noise.
        """
        if not self._is_borrowed:
            return among
        about = masks.touching(masks.shares(origin, among.keys() - {IMAGE}, self.workshop.table))
        return {name: mask * np.maximum(about[name], _ELSEWHERE) for name, mask in among.items()}

    @property
    def _is_borrowed(self):
        """Whether the holes begin with pieces of what stays."""
        return self._fills and not self._has_source and self.workshop.config.start is None

    def _choice_of_detail(self, number):
        """Detail of what stays alone, see :meth:`Study._choice_of_detail`."""
        if self._has_source:
            return None
        level = self.plan[number - 1]
        (top, left), (height, width) = level.trim, level.exemplar_size[::-1]
        stays = self._mask(level)[:, :, top : height - top, left : width - left] == 0
        everywhere = np.ones((1, 1, *level.output_size[::-1]), np.float32)
        return octave.Choice(everywhere, [(0,)], [stays.astype(np.float32)])

    def start(self, seed):
        """Returns what the coarsest level starts from, see :class:`Study`.

        Unless the settings say otherwise, it is the photograph filled from what stays of it.

        Args:
            seed (int): That of the settings, by which it was filled.

        Raises:
            texsynth.errors.ConfigError: It is another one.
        """
        if not self._is_borrowed:
            return super().start(seed)
        if seed != self.workshop.config.seed:
            raise ConfigError("holes were filled by the seed of the settings; it is the only one")
        return self._filled

    def with_colours(self, texture):
        """Returns a texture with the colour histogram where it is made anew, see :class:`Study`.

        Args:
            texture (numpy.ndarray): ``(1, 3, H, W)`` float32, of full size.
        """
        made = self.damaged.mask[0, 0] > 0
        matched = texture.copy()
        matched[:, :, made] = super().with_colours(texture[:, :, made][..., None])[..., 0]
        return matched

    def begun(self, number, texture):
        """Returns what a level begins from, see :meth:`Study.begun`.

        Where holes were filled with pieces, those as sharp as they are, with what the coarser level
        changed in them: fine detail that is found for each pixel would not be in one piece.

        Args:
            number (int): Which level, from 1, the coarsest.
            texture (numpy.ndarray): As there.
        """
        if number == 1 or not self._is_borrowed:
            return super().begun(number, texture)
        wrap, size = self.workshop.config.wrap, self.plan[number - 1].output_size
        before = images.fit(self._filled, self.plan[number - 2].output_size)
        return images.fit(self._filled, size) + images.resize(texture - before, size, wrap)

    def enlarged(self, texture):
        """Returns a texture at full size, see :class:`Study`.

        That of a coarser level is blended with the photograph as full size would have been.

        Args:
            texture (numpy.ndarray): ``(1, 3, H, W)`` float32, of any level.
        """
        large = super().enlarged(texture)
        photo, mask = self.damaged.photo, self.damaged.mask
        return large if large is texture else photo + mask * (large - photo)

    def finished(self, texture):
        """Returns the photograph repaired, with its own values where it stays, see :class:`Study`.

        Args:
            texture (numpy.ndarray): ``(1, 3, H, W)`` float32, of full size.
        """
        finished = super().finished(texture)
        return np.where(self.damaged.mask == 0, self.damaged.photo, finished)

    @property
    def _measuring(self):
        return {"masks_of": self._masks_of}

    def _masks_of(self, layers):
        """How much each position counts without margin, pad and trim."""
        mask, table = self.damaged.mask, self.workshop.table
        made = masks.touching(masks.shares(mask, layers, table))
        among = None if self._has_source else masks.within(masks.shares(1 - mask, layers, table))
        return Masks(among, made)

    @property
    def pictured(self):
        """What is shown as the exemplar: the source, or the photograph as it was."""
        return images.to_pixels(self.exemplar if self._has_source else self.damaged.photo)

    def checksums(self):
        """Checksums of what the result depends on beside the exemplar, by name."""
        photo, mask = self.damaged.photo, self.damaged.mask
        return {"photo": images.checksum(photo), "mask": images.checksum(mask)}


def _as_exemplar(filled, photo):
    """``(H, W, 3)`` of a photograph without its holes: whole numbers, if it has such."""
    is_whole = np.array_equal(photo, np.rint(photo))
    return images.to_pixels(filled) if is_whole else images.to_values(filled)


def _check_what_is_left(among, size, edge):
    """Makes sure that enough stays to take the texture from, see :func:`masks.check`."""
    try:
        masks.check(among, size, edge, _WHAT_IS_LEFT)
    except ConfigError as error:
        raise ConfigError(f"{error}; --from takes the texture of another image") from None
