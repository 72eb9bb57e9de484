"""What the lower floors refuse, in the language of the page.

They speak English sentences with facts in them. Those that people meet on pages stand here as templates; a test holds
them against the code that says them, and the catalogues translate them like everything else. A sentence is looked up
as a whole, then clause by clause; what is not known stays English.
"""

from lab.core.sayings import Sayings
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.languages import plain, present_language

CLAUSES = (
    # times and rules of booking
    N_("the start %(start)s is over, it is %(now)s"),
    N_("a booking is made %(lead)s ahead at least, so from %(first)s on"),
    N_("a booking is made %(lead)s ahead at least"),
    N_("a booking lasts %(limit)s at most, this one %(length)s"),
    N_("a booking lasts %(limit)s at least, this one %(length)s"),
    N_("bookings are open for %(days)s days ahead, until %(until)s"),
    N_("bookings are open for %(days)s days ahead"),
    N_("bookings start and end in steps of %(step)s, not at %(time)s"),
    N_("the nearest choice is %(start)s to %(end)s"),
    N_("there is no other time near it"),
    N_("the lab closes at %(time)s, before this booking ends"),
    N_("the lab is closed on %(day)s: %(name)s"),
    N_("the lab is closed at %(time)s"),
    N_("the lab is closed, or closes before a booking of this length ends"),
    N_("%(machine)s is taken, or free for too short a time"),
    N_("%(machine)s cannot be used: %(reason)s"),
    N_("a booking needs at least one device"),
    N_("a booking holds %(most)s devices at most, this one names %(number)s"),
    N_("%(machines)s: can only be booked together with %(others)s"),
    N_("%(machines)s: no longer in service"),
    N_("there is no device %(machines)s"),
    # the life of a booking
    N_("there is no such booking"),
    N_("this booking is not approved yet"),
    N_("ask the lab's staff"),
    N_("this booking was changed meanwhile"),
    N_("look at it again before you change it"),
    N_("this booking has started and stays where it is"),
    N_("only its end can change: extend it, or finish early"),
    N_("this booking could be cancelled until %(until)s, %(length)s before its start"),
    N_("ask the lab's staff, or finish early once it has started"),
    N_("you can read reports here"),
    N_("ask the lab for a member's account to book"),
    # typed times
    N_("the %(field)s is a date and a time such as 2026-11-23 09:00"),
    N_("please take a later time"),
    # people
    N_("please sign in"),
    N_("you are not signed in any more"),
    N_("sign-in name and password do not belong together"),
    N_("please try again"),
    N_("too many failed sign-ins"),
    N_("please wait %(time)s and try again"),
    N_("the present password is not right"),
    N_("a password has at least %(number)s characters"),
    N_("three or four unrelated words make a good one"),
    N_("the password is the sign-in name"),
    N_("please choose another"),
    N_("the sign-in name %(name)s is taken"),
    N_("there is already an organisation named %(name)s"),
    N_("please give a name of letters on one line"),
    N_("the sector is a NACE or PKD code such as C25 or 25.62.Z"),
    N_("the region is a NUTS code such as PL22A"),
    N_(
        "the undertaking is a short name of letters, digits, dots and hyphens, such as kowalski-group, "
        "the same for all companies that are linked"
    ),
    N_("engineers and managers belong to the lab"),
    N_("members and recipients to a company or partner"),
    N_("this is the last lab manager"),
    N_("open another manager's account first"),
    N_("there is no such account"),
    N_("only a lab manager may %(deed)s"),
    N_("only the lab's staff may %(deed)s"),
    # public support
    N_("there is already a programme named %(name)s"),
    N_("%(company)s is in the programme “%(name)s” at that time"),
    N_("take it out of that one first"),
    N_("aid counts from the day on which it is granted"),
    N_("write it down then"),
    N_("this entry is taken back already, or takes another one back"),
    N_("write down what is right as a new one"),
    # how long data are kept
    N_("say why the data set is to be kept for a shorter time"),
    N_("the data of this data set are deleted"),
    N_("its time was over"),
    # questions and runs
    N_("many enquiries have come in"),
    N_("please try again later, or phone the lab"),
    N_("run %(number)s is still going"),
    N_("stop it first"),
    N_("this pilot has no analysis plan yet"),
    N_("the plan is not locked yet"),
    N_("lock it before the first run"),
    N_("the stored plan is not the one that was locked: its SHA-256 differs"),
    # sealing and reports
    N_("these runs are neither made nor excluded: %(numbers)s"),
    N_("make them or exclude them with a reason"),
    N_("a run changed while the data were being sealed"),
    N_("the plan changed while the data were being sealed"),
    N_("a document changed while the data were being sealed"),
    # connecting machines
    N_("there is a device %(device)s already"),
    N_("%(device)s has a signal %(signal)s already"),
    N_("make '%(name)s' another name of it instead"),
    N_("%(device)s has no signal '%(signal)s'"),
    N_("'%(name)s' is known of %(device)s already"),
    N_("nothing is heard under this name, or it is adopted already"),
    # rules of alarms
    N_("limits and rates need a signal that is a number"),
    N_("silence is that of a signal"),
    N_("name one"),
    N_("nobody knows how often this signal is sent"),
    N_("give after_s"),
    N_("a number has limits, no states"),
    N_("%(states)s can never be"),
    N_("there are %(states)s"),
    N_("signal and above belong together"),
    N_("give both, or neither for the state alone"),
    N_("this is a stop criterion of a locked plan and does not change"),
    N_("this rule has ended"),
    N_("make a new one"),
    # documents and what became of pilots
    N_("this file is of no kind that is kept here"),
    N_("PDF, PNG, JPEG, CSV and plain text (UTF-8) are"),
    N_("this is no photo that is taken"),
    N_("PNG and JPEG are"),
    N_("a photo needs words for who cannot see it"),
    N_("this photo cannot be read, it seems to be damaged"),
    N_("this photo has more than %(number)s million pixels, the most that is taken"),
    N_("the file has %(size)s bytes"),
    N_("from 1 to %(most)s are taken"),
    N_("this file is here already, as %(name)s"),
    N_("a photo in the report needs words for who cannot see it"),
    N_("say what is to be seen"),
    N_("a document is removed by whoever added it, or by the lab's staff"),
    N_("please say why this document is removed"),
    N_("%(name)s is part of the sealed data, version %(version)s, and of their report"),
    N_("it stays"),
    N_("an amount and its funding belong to an investment that was made"),
    # plans
    N_("two arms have the same name"),
    N_("two KPIs have the same key"),
    N_("give each its own"),
    N_("a plan needs exactly one %(role)s arm, this one has %(number)s"),
    N_("a plan needs exactly one primary KPI, this one has %(number)s"),
    N_("the verdict stands on it"),
    N_("only %(number)s of 100 such intervals would hold the true effect, too few to advise on money"),
    N_("%(least)s are the least, 95 are usual"),
    N_("KPI %(name)s: a guard needs a margin, and only a guard has one"),
    N_("%(field)s must be an improvement above zero in the unit of %(name)s"),
    N_("give it, or the economics from which it follows"),
    N_(
        "the expected effect %(expected)s is not above break-even %(break_even)s: even if everything goes as hoped the "
        "pilot could not say Invest"
    ),
    N_("the order names %(names)s, which the plan does not have"),
    N_("arm %(name)s has %(number)s run(s)"),
    N_("at least 2 are needed to see their spread"),
    N_("the lab has no device %(device)s"),
    N_("device %(device)s has no signal %(signal)s"),
    N_("signal %(signal)s of %(device)s is not a number"),
    N_("a run is stopped by one"),
    N_("KPI %(name)s: a tolerance needs low, high or both, low below high, and a KPI that is a number"),
    N_("a stop criterion needs low, high or both, and low below high"),
    N_("KPI %(name)s: a proportion has the unit 1"),
    N_("%(indicator)s needs planned_s_per_item, the planned run time of a part in seconds"),
    N_("a percentile needs percent, and only a percentile has it"),
    N_("this is measured in %(wanted)s, not in %(unit)s"),
    N_("a signal in %(signal)s integrated over time is not in %(unit)s"),
    N_("a value in %(origin)s cannot be given in %(unit)s"),
    N_("%(units)s would do"),
    N_("a recorded design needs its order, every other one needs runs_per_arm"),
    N_("%(generators)s generates no fraction: %(why)s"),
    N_("the generators give %(columns)s columns"),
    N_("the arm and %(factors)s factors need %(size)s"),
    N_("a control belongs to a design before_after: one arm control_before and one control_after"),
    N_("a design %(design)s has no arms that are only recorded"),
    N_("the designs blocked and crossover, and only these, name their blocks"),
    N_("a design needs two blocks or more, each with a name of its own"),
    N_("%(runs)s runs an arm do not go evenly into %(blocks)s blocks"),
    N_("a crossover has one run of each arm for every subject, and an even number of subjects"),
    N_("ABBA needs an even number of runs an arm"),
    N_("the design factorial, and only this one, has factors beside the arm"),
    N_("every factor needs a name of its own and two levels that differ"),
    N_("%(runs)s runs an arm do not go evenly into the %(cells)s combinations of the factors"),
    N_("%(figure)s cannot be negative"),
    N_("%(figure)s must be above zero, its low value too"),
    N_("%(figure)s can be %(most)s at most, its high value too"),
    N_("a share of 8 per cent is written as 0.08"),
    N_("by these figures the investment pays without any improvement, so a pilot has nothing to decide"),
    N_("check the grant, the residual value and the running costs"),
    N_("%(figure)s is %(low)s at the lowest, %(likely)s most likely and %(high)s at the highest"),
    N_("they must rise in this order"),
    N_("a change of a locked plan needs its reason"),
    N_("nothing differs from the locked plan"),
    N_("the locked plan says %(fact)s"),
    N_("that cannot be taken back"),
    # addresses
    N_("There is nothing at this address"),
    N_("check it, or start again from the first page."),
)


def said(message: str) -> str:
    """A sentence of the lower floors in the present language; clauses that are not known stay as they are."""
    if present_language() == "en":
        return message
    whole = _clause(message)
    return whole if whole is not None else "; ".join(_clause(part) or part for part in message.split("; "))


def _clause(text: str) -> str | None:
    return _SAYINGS.find(text)


_SAYINGS = Sayings(CLAUSES, plain)
