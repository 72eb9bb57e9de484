"""What sets of devices cost one company, and whether its public support has room for them."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from bookings.prices import repository as prices
from bookings.prices.errors import QuoteTooLargeError
from bookings.prices.rules import DeMinimis, LegalBasis, Quote, require_fits, three_years_before
from bookings.prices.service import quote_for
from bookings.search.availability import Question
from bookings.search.choosing import Group
from bookings.search.gathering import Cast
from devices.models import Device
from lab.core.time import Span


class Money:
    """What sets of devices cost for one company and length, and whether its public support has room for them."""

    def __init__(
        self,
        session: Session,
        devices: Mapping[str, Device],
        organisation_id: str,
        question: Question,
    ) -> None:
        self._session, self._devices, self._organisation_id = session, devices, organisation_id
        self._question = question
        self._pricing = pricing = prices.find_pricing(session, organisation_id, now=question.now)
        self._ceiling: DeMinimis | None = None
        if pricing.terms is not None and pricing.terms.legal_basis == LegalBasis.DE_MINIMIS:
            since = three_years_before(question.now)
            undertaking = prices.single_undertaking(session, organisation_id)
            self._ceiling = DeMinimis(since, prices.used_cents(session, undertaking, since=since))
        self._quotes: dict[tuple[tuple[str, ...], bool], Quote] = {}

    def quote(self, device_ids: Collection[str], supervised: bool) -> Quote:
        """The quote of a booking, which is the same at any time."""
        key = tuple(sorted(device_ids)), supervised
        if key not in self._quotes:
            self._quotes[key] = quote_for(
                self._session,
                organisation_id=self._organisation_id,
                devices=[self._devices[device_id] for device_id in key[0]],
                span=Span(self._question.now, self._question.now + self._question.size),
                supervised=supervised,
                now=self._question.now,
                pricing=self._pricing,
            )
        return self._quotes[key]

    def market_value(self, device_ids: Collection[str], *, supervised: bool) -> int:
        """In cents."""
        return self.quote(device_ids, supervised).market_value_cents

    def fits(self, device_ids: Collection[str], supervised: bool) -> bool:
        """Whether a booking of these devices would be accepted."""
        try:
            quote = self.quote(device_ids, supervised)
        except QuoteTooLargeError:
            return False
        return self._ceiling is None or self._ceiling.fits(quote.support_cents)

    def affordable(self, cast: Cast, *, supervised: bool) -> tuple[Group, ...]:
        """The requirements with those devices that do not by themselves exceed the public support.

        Raises:
            QuoteTooLargeError, SupportCeilingError: nothing that is asked for can be paid.
        """
        self._require_fits(cast.fixed, supervised)
        groups = []
        for group in cast.groups:
            sets = [cast.fixed | option.closure for option in group.options]
            options = tuple(
                option for option, members in zip(group.options, sets, strict=True) if self.fits(members, supervised)
            )
            if len(options) < group.count:
                cheapest = min(sets, key=lambda members: self.market_value(members, supervised=supervised))
                self._require_fits(cheapest, supervised)
            groups.append(replace(group, options=options))
        return tuple(groups)

    def _require_fits(self, device_ids: Collection[str], supervised: bool) -> None:
        quote = self.quote(device_ids, supervised)
        if self._ceiling is not None and quote.support_cents:
            require_fits(quote, self._ceiling)
