"""What can be refused about prices and public support.

PilotLabError (lab.core.errors)
├── InvalidError
│   ├── PriceListPastError          prices cannot begin before now
│   ├── ProgrammeTermsError         a share or a span that makes no sense
│   ├── AidAheadError               aid that somebody is to grant in future
│   ├── NoCompanyError              only companies and partners are in programmes
│   ├── QuoteTooLongError           no slot is as long as this
│   └── QuoteTooLargeError          no slot is worth as much as this
├── ForbiddenError
│   └── NotYourPricesError          another company's quote, or by somebody who sees no prices
├── NotFoundError
│   ├── PriceListUnknownError       no such version
│   ├── ProgrammeUnknownError       no such programme
│   ├── CompanyNotInProgrammeError  it never was in this programme
│   └── OtherAidUnknownError        no such entry, or another company's
├── StaleError
│   └── PricesPublishedError        other prices were published meanwhile
└── ConflictError
    ├── ProgrammeNameTakenError     another programme has this name
    ├── CompanyInProgrammeError     a company is in one programme at a time
    ├── OtherAidCounteredError      it is taken back already, or takes another back itself
    └── SupportCeilingError         the public support would exceed what the law allows
"""

from lab.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, StaleError


class PriceListPastError(InvalidError):
    """Prices cannot begin before now: bookings were made at the old ones. Facts: `field`, `rule`, `nearest`."""


class ProgrammeTermsError(InvalidError):
    """A share or a span of a programme that makes no sense. Facts: `field`, `rule`."""


class NoCompanyError(InvalidError):
    """Only companies and partners are in programmes. Facts: `field`, `rule`."""


class QuoteTooLongError(InvalidError):
    """No slot is as long as this. Facts: `field`, `rule`, `limit` (days)."""


class QuoteTooLargeError(InvalidError):
    """No slot is worth as much as this; a price is wrong. Facts: `field`, `rule`, `limit`, `market_value_cents`."""


class NotYourPricesError(ForbiddenError):
    """A company sees its own prices only; recipients of reports see none. Facts: `field`, `rule`."""


class PriceListUnknownError(NotFoundError):
    """There is no such version. Facts: `field`, `rule`."""


class PricesPublishedError(StaleError):
    """Other prices were published since somebody looked. Facts: `field`, `rule`."""


class ProgrammeUnknownError(NotFoundError):
    """There is no such programme. Facts: `field`, `rule`."""


class CompanyNotInProgrammeError(NotFoundError):
    """It never was in this programme. Facts: `field`, `rule`."""


class AidAheadError(InvalidError):
    """What is not granted yet does not count yet. Facts: `field`, `rule`."""


class OtherAidUnknownError(NotFoundError):
    """There is no such entry. Facts: `field`, `rule`."""


class OtherAidCounteredError(ConflictError):
    """It is taken back already, or takes another back itself. Facts: `field`, `rule`."""


class ProgrammeNameTakenError(ConflictError):
    """Another programme has this name. Facts: `field`, `rule`."""


class CompanyInProgrammeError(ConflictError):
    """A company is in one programme at a time. Facts: `field`, `rule`, `programme_id` (the present one)."""


class SupportCeilingError(ConflictError):
    """The public support would exceed what the law allows.

    Facts: `field`, `rule`, `support_cents`, `used_cents`, `remaining_cents`, `ceiling_cents`.
    """
