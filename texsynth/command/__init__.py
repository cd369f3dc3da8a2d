"""The command: options to settings, jobs, batches; the only room that prints, exits and draws."""

from texsynth.command.device import device_options
from texsynth.command.environment import by_environment
from texsynth.command.shared import (
    EXIT_FAILURE,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    HELP_OPTIONS,
    PATH,
    OneLineErrors,
    downloads_forbidden,
    failure,
    from_text,
    set_up_logging,
)

__all__ = [
    "EXIT_FAILURE",
    "EXIT_INTERRUPTED",
    "EXIT_USAGE",
    "HELP_OPTIONS",
    "PATH",
    "OneLineErrors",
    "by_environment",
    "device_options",
    "downloads_forbidden",
    "failure",
    "from_text",
    "set_up_logging",
]
