"""Where the sign-in page sends people: never off the site."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.web.links import safe_next

SITE = "http://lab.example/sign-in"


@pytest.mark.parametrize("address", ["/", "/bookings", "/devices/mill-1?tab=live", "/pilots/plt_1#runs", "/a//b"])
def test_a_path_on_this_site_is_kept(address: str) -> None:
    assert safe_next(address) == address


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        " /bookings",
        "/sign-in?next=/sign-in",
    ],
)
def test_anything_else_becomes_the_first_page(address: str | None) -> None:
    assert safe_next(address) == "/"


@given(st.text(alphabet="/\\@:.?#\t\n %2Fevilhtps", max_size=20))
def test_no_text_leads_off_the_site(address: str) -> None:
    browser_reads = safe_next(address).replace("\\", "/").replace("\t", "").replace("\n", "")
    assert urlsplit(urljoin(SITE, browser_reads)).netloc == "lab.example"
