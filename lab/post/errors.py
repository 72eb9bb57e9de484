"""What can be wrong with mails and webhooks."""

from lab.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from lab.core.jobs import TryLaterError


class MailLineError(InvalidError):
    """A recipient or subject that cannot stand in one line of a mail's head. Facts: `field`, `rule`."""


class MailUnknownError(NotFoundError):
    """There is no such mail."""


class MailOnItsWayError(ConflictError):
    """The mail is waiting to be sent, or being sent."""


class MailSentError(ConflictError):
    """The mail server has taken the mail already."""


class MailOffError(ConflictError):
    """No mail server is set up, so nothing can be sent."""


class WebhookAddressError(InvalidError):
    """An address that webhooks may not go to. Facts: `field`, `rule`."""


class WebhookForbiddenError(ForbiddenError):
    """Webhooks are made by lab managers, and by members of a company for their own."""


class WebhookUnknownError(NotFoundError):
    """There is no such webhook, or it is another company's."""


class WebhookLimitError(ConflictError):
    """The organisation has as many webhooks as it may have. Facts: `limit`."""


class WebhookDisabledError(ConflictError):
    """The webhook is disabled, so nothing goes there."""


class WebhookTestWaitingError(ConflictError):
    """The test before this one is still on its way."""


class NotDeliveredError(TryLaterError):
    """A mail or an event did not get through this time; the job table tries again later."""
