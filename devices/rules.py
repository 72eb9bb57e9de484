"""Decisions about devices; pure."""


def birth_is_news(known_boot: str | None, known_device_ns: int | None, *, boot: str, device_ns: int | None) -> bool:
    """Whether a birth says that the device has (re)connected.

    A broker repeats the retained birth to everybody who subscribes anew: same boot and same time. That must not bring
    a dead device back to life. A device that lost its connection and found it again says so by the same boot and
    another time.

    Args:
        known_boot: boot of the last birth; `None`: there was none.
        known_device_ns: device time of the last birth; `None`: unknown.
        boot: of this birth.
        device_ns: device time of this birth; `None`: it had none that can be read.
    """
    return boot != known_boot or device_ns != known_device_ns


def death_is_stale(known_boot: str | None, *, boot: str) -> bool:
    """Whether a death is that of an earlier life: it names another boot than the last birth, or there was no birth."""
    return boot != known_boot
