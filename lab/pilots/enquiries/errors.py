"""What can be wrong with an enquiry.

InvalidError
├── EnquiryMailError       no address to which an answer can go
└── PartnerUnfitError      whoever it is referred to is no partner of the lab
NotFoundError
└── EnquiryUnknownError    no such enquiry, or another company's
ConflictError
└── EnquiryDecidedError    it has been accepted or referred already
TooManyError
└── TooManyEnquiriesError  more than the lab reads
"""

from lab.core.errors import ConflictError, InvalidError, NotFoundError, TooManyError


class EnquiryMailError(InvalidError):
    """No address to which an answer can go."""


class PartnerUnfitError(InvalidError):
    """Whoever an enquiry is referred to is no partner of the lab."""


class EnquiryUnknownError(NotFoundError):
    """No such enquiry, or another company's."""


class EnquiryDecidedError(ConflictError):
    """It has been accepted or referred already. Facts: `now`."""


class TooManyEnquiriesError(TooManyError):
    """More enquiries than the lab reads. Facts: `retry_after_seconds`."""
