"""What can be wrong with a device, or with what is said about one."""

from lab.core.errors import ConflictError, InvalidError, NotFoundError, UnavailableError


class CatalogueError(InvalidError):
    """A catalogue has faults; nothing of it is imported. Facts: `faults`, a list of {"place", "message"}."""


class DeviceUnknownError(NotFoundError):
    """The lab owns no device of this name. Facts: `field`, `rule`, `device`."""


class SignalChangedError(ConflictError):
    """A signal would get another unit or type, and what is stored under its name would become wrong."""


class WeakPasswordError(InvalidError):
    """A password that a device cannot have. Facts: `field`, `rule`."""


class CommandUnknownError(InvalidError):
    """There is no such command. Facts: `field`, `rule`."""


class CommandNotSentError(UnavailableError):
    """The broker did not answer, or did not take the command."""


class DeviceKnownError(ConflictError):
    """The lab owns, or owned, a device of this name. Facts: `field`, `rule`."""


class SignalKnownError(ConflictError):
    """The device has a signal, or another name of one, like this. Facts: `field`, `rule`."""


class SignalUnknownError(NotFoundError):
    """The device has no such signal. Facts: `field`, `rule`, `nearest`."""


class BrokerUnknownError(ConflictError):
    """This program was started without a broker, so that machines cannot be asked anything."""


class PhotoUnreadableError(InvalidError):
    """What is in the file is no photo that can be shown. Facts: `field`, `rule`."""


class PhotoWordsMissingError(InvalidError):
    """A photo without words for who cannot see it. Facts: `field`, `rule`."""


class PhotoUnknownError(NotFoundError):
    """There is no photo of this device. Facts: `field`, `rule`."""
