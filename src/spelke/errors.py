"""One small tree of exceptions. Each is also a builtin, so `except ValueError` works.

Every message has three parts: what came, what is accepted, what to do.
"""


class SpelkeError(Exception):
    """Anything that Spelke refuses to do, with the reason and the remedy in its message."""


class InvalidInput(SpelkeError, ValueError):
    """A value that a user gave is outside what is accepted."""


class MissingData(SpelkeError, FileNotFoundError):
    """A file or folder that was named does not exist or holds nothing usable."""


class BadFile(SpelkeError, OSError):
    """A file exists but cannot be read: truncated, corrupt, or of another format."""


class UnknownName(SpelkeError, LookupError):
    """A name that no table holds; the message offers the nearest ones."""


class MissingExtra(SpelkeError, ImportError):
    """An optional dependency is absent; the message holds the install line."""


class BadCheckpoint(SpelkeError, RuntimeError):
    """Weights that do not fit the architecture, or are corrupt."""


class BadModel(SpelkeError, RuntimeError):
    """A model to measure that cannot be made, or that answers with what is no mask."""


class Unavailable(SpelkeError, RuntimeError):
    """Something this machine lacks: a device, a graphics library, memory, disk space."""


class Diverged(SpelkeError, ArithmeticError):
    """Training whose loss is no longer a number; the last good checkpoint is kept."""
