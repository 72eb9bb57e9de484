"""What can be wrong with a pilot, its plan or its runs.

InvalidError
├── PrimaryKpiError            no KPI is the primary one, or several are
├── ArmsError                  not exactly one baseline and one treatment, or a name twice
├── UnknownArmError            an order names an arm that the plan does not have
├── OneRunArmError             an arm with fewer than two runs
├── EffectZeroError            break-even or expected effect is not above zero
├── ExpectedEffectError        the expected effect is not above break-even
├── EstimateOrderError         low, likely and high of a figure do not rise
├── EconomicRangeError         a figure of the economics is outside of what it can be
├── BreakEvenError             break-even is not that of the economics, or there is none
├── GuardMarginError           a guard without a margin, or a margin without a guard
├── UnitMismatchError          what is measured cannot be given in the KPI's unit
├── UnknownSignalError         no such device or signal in the catalogue
├── PlanFormError              another contradiction inside a plan
├── ReasonMissingError         an exclusion, or a change of a locked plan, without its reason
└── BookingUnfitError          the booking is not of this pilot's company, time or devices
ForbiddenError
└── EngineerCompletesError     a company locks a mere sketch
NotFoundError
├── PilotUnknownError          no such pilot, or another company's
└── RunUnknownError            the pilot has no run of this number
ConflictError
├── PlanLockedError            a locked plan does not change (I5)
├── PlanMissingError           there is no plan yet, or it is not locked
├── PlanAlteredError           the stored plan is not the one that was locked
├── LayoutFixedError           a later version of a locked plan would lay out other runs, or claim better evidence
├── RunStateError              started twice, stopped before the start, another one is running, …
├── PilotNumberTakenError      the number is in use
└── PilotStateError            the pilot has gone beyond this step
"""

from lab.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError


class PrimaryKpiError(InvalidError):
    """No KPI is the primary one, or several are."""


class ArmsError(InvalidError):
    """Not exactly one baseline and one treatment, or a name twice."""


class UnknownArmError(InvalidError):
    """An order names an arm that the plan does not have."""


class OneRunArmError(InvalidError):
    """An arm with fewer than two runs: nothing can be concluded from it."""


class EffectZeroError(InvalidError):
    """Break-even or expected effect is not above zero."""


class ExpectedEffectError(InvalidError):
    """The expected effect is not above break-even: the pilot could not end in Invest."""


class EstimateOrderError(InvalidError):
    """Low, likely and high of a figure do not rise in this order."""


class EconomicRangeError(InvalidError):
    """A figure of the economics is negative, zero or larger than it can be."""


class BreakEvenError(InvalidError):
    """Break-even is not that of the economics, or the economics have none."""


class GuardMarginError(InvalidError):
    """A guard without a margin, or a margin without a guard."""


class UnitMismatchError(InvalidError):
    """What is measured cannot be given in the KPI's unit."""


class UnknownSignalError(InvalidError):
    """No such device or signal in the catalogue."""


class PlanFormError(InvalidError):
    """Another contradiction inside a plan."""


class ReasonMissingError(InvalidError):
    """An exclusion, or a change of a locked plan, without its reason."""


class BookingUnfitError(InvalidError):
    """The booking is not of this pilot's company, time or devices."""


class EngineerCompletesError(ForbiddenError):
    """A company locks a plan that began as its sketch and that no engineer has completed."""


class PilotUnknownError(NotFoundError):
    """No such pilot, or another company's."""


class RunUnknownError(NotFoundError):
    """The pilot has no run of this number."""


class PlanLockedError(ConflictError):
    """A locked plan does not change (I5)."""


class PlanMissingError(ConflictError):
    """There is no plan yet, or it is not locked."""


class PlanAlteredError(ConflictError):
    """The stored plan is not the one that was locked."""


class LayoutFixedError(ConflictError):
    """A later version of a locked plan would lay out other runs, or claim better evidence."""


class RunStateError(ConflictError):
    """A run cannot do this now."""


class PilotNumberTakenError(ConflictError):
    """The number is in use."""


class PilotStateError(ConflictError):
    """The pilot has gone beyond this step."""
