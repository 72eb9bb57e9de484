"""What can be refused about a search.

PilotLabError (lab.core.errors)
└── InvalidError
    ├── SearchInvalidError         no devices, too many, a window that makes no sense
    ├── PreferenceUnreadableError  hours that are no hours
    ├── RequirementUnreadableError a capability that cannot be read
    ├── CapabilityUnknownError     nothing in the lab has it, or not this attribute; what is near is named
    └── CapabilityUnmetError       the lab has it, but not like this
"""

from lab.core.errors import InvalidError


class SearchInvalidError(InvalidError):
    """What is searched for makes no sense. Facts: `field`, `rule`, the rule's own."""


class PreferenceUnreadableError(InvalidError):
    """Preferred hours that cannot be read. Facts: `field`, `rule`."""


class RequirementUnreadableError(InvalidError):
    """A capability that cannot be read. Facts: `field`, `rule`, `requirement`."""


class CapabilityUnknownError(InvalidError):
    """No device in service has such a capability or attribute. Facts: `field`, `rule`, `nearest` (names), `known`."""


class CapabilityUnmetError(InvalidError):
    """No device in service is like this, or too few are. Facts: `field`, `rule`, `requirement`, `devices` (near)."""
