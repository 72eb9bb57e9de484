"""Who is asking: a `Principal` enters every service call."""

from dataclasses import dataclass
from enum import StrEnum

from lab.core.errors import ForbiddenError


class Role(StrEnum):
    """What a person does here (domain.md §1)."""

    MEMBER = "member"
    """SME member: books, follows own experiment, receives the report."""
    ENGINEER = "engineer"
    """Lab engineer: prepares machines, runs and watches experiments."""
    MANAGER = "manager"
    """Lab manager: devices, rules, prices, people."""
    RECIPIENT = "recipient"
    """Report recipient: reads reports, nothing else."""


STAFF = frozenset({Role.ENGINEER, Role.MANAGER})


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody, or a part of the system, with an organisation and a role."""

    account_id: str
    organisation_id: str
    role: Role
    name: str
    scopes: frozenset[str] | None = None
    """Of an API token: what it may do ("read", "write"); `None` for a person at a browser: everything the role may."""

    @property
    def is_staff(self) -> bool:
        """Whether this is the lab's own staff."""
        return self.role in STAFF

    def require_staff(self, what: str) -> None:
        """Refuse anybody but the lab's staff.

        Raises:
            ForbiddenError: naming `what`, which completes "only the lab's staff may …".
        """
        if not self.is_staff:
            raise ForbiddenError(f"only the lab's staff may {what}", rule="staff-only")

    def require_manager(self, what: str) -> None:
        """Refuse anybody but a lab manager.

        Raises:
            ForbiddenError: naming `what`, which completes "only a lab manager may …".
        """
        if self.role is not Role.MANAGER:
            raise ForbiddenError(f"only a lab manager may {what}", rule="manager-only")

    def owns(self, organisation_id: str) -> bool:
        """Whether a thing of this organisation is this principal's business: its own company, or the staff."""
        return self.is_staff or (self.role is Role.MEMBER and self.organisation_id == organisation_id)


SYSTEM = Principal("system", "system", Role.MANAGER, "Pilot Lab")
"""The product itself: first start, jobs, command line."""
