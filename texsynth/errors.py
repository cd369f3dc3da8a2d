"""The errors that texsynth raises on purpose: each message is one line for a person to read."""


class TexsynthError(Exception):
    """Base of every error that texsynth raises on purpose."""


class ConfigError(TexsynthError, ValueError):
    """A setting is out of range, or does not go with another one."""


class ImageError(TexsynthError):
    """An image cannot be read, used or written."""


class WeightsError(TexsynthError):
    """VGG weights cannot be found, fetched, read or trusted."""


class DeviceError(TexsynthError):
    """The asked-for GPU cannot be used."""


class DivergenceError(TexsynthError):
    """The optimisation left the numbers that a computer can hold."""


class EngineError(TexsynthError):
    """The asked-for engine cannot be used."""


class EngineChoiceError(EngineError, ConfigError):
    """Engine, precision and device were asked for that do not go together, on whatever machine."""


class RecordError(TexsynthError):
    """A record cannot be read or followed."""


class CheckpointError(TexsynthError):
    """A checkpoint cannot be written, read or trusted."""


class StatisticsError(TexsynthError):
    """Saved statistics cannot be written, read or used."""
