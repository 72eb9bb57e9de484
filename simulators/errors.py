"""What a simulator can refuse or fail at. The operator gets the message as one line."""


class SimulatorError(Exception):
    """Base of everything that is answered with `{"ok": false, "error": …}`."""


class RefusedLineError(SimulatorError):
    """The operator asked for something that makes no sense or that nobody here can do."""


class BrokerError(SimulatorError):
    """The broker does not answer, refuses the device, or has stopped confirming."""


class StoppedError(SimulatorError):
    """The operator has gone, or the program was told to end, in the middle of a run."""


class RecordingError(SimulatorError):
    """The recording is missing, broken, or of another layout."""
