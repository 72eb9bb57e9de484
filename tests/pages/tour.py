"""Every page there is, with who looks at it; and the browsers that look."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.pages.stage import Stage

SIZES = {"laptop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
THEMES = ("light", "dark")
LANGUAGES = ("en", "pl")


@dataclass(frozen=True, slots=True)
class Stop:
    """A page of the tour; `{…}` in the address are ids of the stage."""

    name: str
    who: str | None
    address: str


TOUR = (
    Stop("sign-in", None, "/sign-in"),
    Stop("ask", None, "/ask"),
    Stop("about", None, "/about"),
    Stop("shared-report", None, "/shared/{shared}"),
    Stop("overview", "founder", "/"),
    Stop("machines", "founder", "/machines"),
    Stop("machine", "founder", "/devices/mill-1"),
    Stop("book", "founder", "/bookings/new?device=mill-1&device=meter-1&find=yes&title=Feed"),
    Stop("bookings", "founder", "/bookings"),
    Stop("booking", "founder", "/bookings/{coming}"),
    Stop(
        "dates-of-a-series",
        "founder",
        "/bookings/series/new?device=mill-1&start=2026-11-24T09:00&end=2026-11-24T10:00&title=Feed&times=3",
    ),
    Stop("series", "founder", "/bookings/series/{series}"),
    Stop("experiment", "founder", "/bookings/{running}/live"),
    Stop("pilots", "founder", "/pilots"),
    Stop("pilot", "founder", "/pilots/{planned}"),
    Stop("documents", "founder", "/pilots/{planned}/documents"),
    Stop("afterwards", "founder", "/pilots/{pilot}/afterwards"),
    Stop("sketch", "founder", "/pilots/{planned}/sketch?better=energy&unit=kWh&pays=0,1&hope=0,3&run_minutes=4"),
    Stop("report", "founder", "/reports/{report}"),
    Stop("password", "founder", "/password"),
    Stop("reports-of-a-reader", "reader", "/"),
    Stop("today", "engineer", "/"),
    Stop("wall", "engineer", "/?wall=yes"),
    Stop("machine-of-the-staff", "engineer", "/devices/mill-1"),
    Stop("alarms", "engineer", "/alarms"),
    Stop("alarm", "engineer", "/alarms/{alarm-mill-1}"),
    Stop("ready", "engineer", "/bookings/{running}/preflight"),
    Stop("documents-of-the-staff", "engineer", "/pilots/{planned}/documents"),
    Stop("afterwards-of-the-staff", "engineer", "/pilots/{pilot}/afterwards"),
    Stop("pilot-of-the-staff", "engineer", "/pilots/{drafted}"),
    Stop("plan", "engineer", "/pilots/{drafted}/plan"),
    Stop("plan-size", "founder", "/pilots/{planned}/plan/size?differ=0,02&run_minutes=4"),
    Stop("plan-corrected", "engineer", "/pilots/{planned}/plan"),
    Stop("console", "engineer", "/pilots/{planned}/console"),
    Stop("console-with-runs", "engineer", "/pilots/{finished}/console"),
    Stop("seal", "engineer", "/pilots/{finished}/seal"),
    Stop("late-arrivals", "engineer", "/pilots/{late}/late-arrivals"),
    Stop("report-of-the-staff", "engineer", "/reports/{report}"),
    Stop("sealed", "founder", "/pilots/{late}/seal"),
    Stop("statement", "engineer", "/reports/{draft}/statement"),
    Stop("draft", "engineer", "/reports/{draft}"),
    Stop("seal-in-the-way", "engineer", "/pilots/{planned}/seal"),
    Stop("manage", "manager", "/manage"),
    Stop("catalogue", "manager", "/manage/devices"),
    Stop("catalogue-device", "manager", "/manage/devices/mill-1"),
    Stop("approvals", "manager", "/manage/approvals"),
    Stop("enquiries", "manager", "/manage/enquiries"),
    Stop("support", "manager", "/manage/support"),
    Stop("retention", "manager", "/manage/retention"),
    Stop("outages", "manager", "/manage/outages"),
    Stop("recording", "manager", "/manage/recording"),
    Stop("rules", "manager", "/manage/rules"),
    Stop("prices", "manager", "/manage/prices"),
    Stop("prices-of-the-staff", "engineer", "/manage/prices"),
    Stop("alarm-rules", "engineer", "/manage/alarm-rules"),
    Stop("new-alarm-rule", "engineer", "/manage/alarm-rules/new?device=mill-1&kind=limit"),
    Stop("alarm-rule", "engineer", "/manage/alarm-rules/{alarm-rule}"),
    Stop("heard", "engineer", "/manage/heard"),
    Stop("heard-signal", "engineer", "/manage/heard/signal?device=mill-1&heard=CoolantTemp"),
    Stop("heard-device", "engineer", "/manage/heard/device?device=press-9"),
    Stop("letters", "engineer", "/manage/letters?device=mill-1"),
    Stop("letter", "engineer", "/manage/letters/{letter}"),
    Stop("people", "manager", "/manage/people"),
    Stop("figures", "manager", "/manage/figures"),
    Stop("audit", "manager", "/manage/audit"),
    Stop("not-found", "founder", "/bookings/bkg_nothing"),
)
_VIOLATIONS = "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective));"


@dataclass
class Visit:
    """A page in a browser, and what it complained about."""

    page: Page
    stage: Stage
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Listen from now on."""

        def note(message: ConsoleMessage) -> None:
            expected = "status of 404" in message.text or "status of 409" in message.text or "of 422" in message.text
            if message.type in {"error", "warning"} and not expected:
                self.complaints.append(f"{message.type}: {message.text}")

        def look(request: Request) -> None:
            if not request.url.startswith((self.stage.url, "data:", "blob:")):
                self.elsewhere.append(request.url)

        self.page.on("console", note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", look)

    def go(self, address: str) -> None:
        """Open an address of the stage; its ids are filled in."""
        self.page.goto(self.stage.url + address.format(**self.stage.ids))

    def assert_quiet(self) -> None:
        """No errors, no breach of the policy, nothing asked for elsewhere."""
        assert self.complaints == []
        assert self.elsewhere == []


@contextmanager
def opened_chromium(program: Path) -> Iterator[Browser]:
    """Debian's Chromium, cut off from everything but this machine."""
    switches = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=switches)
        yield browser
        browser.close()


@contextmanager
def visiting(
    browser: Browser, stage: Stage, who: str | None, *, size: str = "laptop", theme: str = "light", language: str = "en"
) -> Iterator[Visit]:
    """A fresh browser profile in which somebody is signed in, or nobody."""
    options: dict[str, Any] = {"viewport": SIZES[size], "color_scheme": theme, "locale": language}
    context: BrowserContext = browser.new_context(**options, has_touch=size == "phone")
    context.set_default_timeout(15_000)
    context.add_init_script(_VIOLATIONS)
    if who is not None:
        context.add_cookies([stage.cookie(who)])  # type: ignore[list-item]
    visit = Visit(context.new_page(), stage)
    visit.watch()
    try:
        yield visit
    finally:
        context.close()
