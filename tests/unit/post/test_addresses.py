"""Webhooks cannot be turned against what only we can reach."""

import socket
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lab.post.addresses import checked_url, is_public, look_up
from lab.post.errors import WebhookAddressError


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1"]
)
def test_addresses_of_the_public_internet_are_fine(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "fe80::1",
        "fe80::1%1",
        "2606:4700::1%1",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
    ],
)
def test_addresses_of_our_own_network_are_not(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://example.org/hook", "https"),
        ("ftp://example.org/hook", "url-form"),
        ("file:///etc/passwd", "url-form"),
        ("gopher://example.org:25/", "url-form"),
        ("javascript:alert(1)", "url-form"),
        ("https:///hook", "url-form"),
        ("https://", "url-form"),
        ("example.org/hook", "url-form"),
        ("https://exa mple.org/", "url-form"),
        ("https://example%2eorg/", "url-form"),
        ("https://[fe80::1%25eth0]/", "url-form"),
        ("https://example.org:0/", "url-form"),
        ("https://example.org:99999/", "url-form"),
        ("https://example.org:many/", "url-form"),
        ("https://example.org/\r\nHost: other", "url-form"),
        ("https://user:password@example.org/", "url-without-credentials"),
        ("https://user@example.org/", "url-without-credentials"),
        ("https://example.org\\@127.0.0.1/", "url-without-credentials"),
        ("https://example.org/#part", "url-without-fragment"),
        ("https://example.org/" + "a" * 1000, "url-length"),
        ("", "url-form"),
    ],
)
def test_an_address_of_a_wrong_form_is_refused_by_name(url: str, rule: str) -> None:
    with pytest.raises(WebhookAddressError) as refused:
        checked_url(url, private=False)
    assert refused.value.facts == {"field": "url", "rule": rule}


@given(
    st.one_of(
        st.text(max_size=80),
        st.builds("https://{}{}".format, st.text(max_size=30), st.text(max_size=30)),
        st.builds(
            "https://{}:{}/{}".format,
            st.from_regex(r"[a-z0-9.\[\]:%xn-]{0,20}", fullmatch=True),
            st.integers(-1, 70000),
            st.text(max_size=9),
        ),
    )
)
@example("https://xn--/")
@example("https://xn--a/")
@example("https://[::1")
@example("https://a..b/")
@example("https://\u2024/")
@example("https://" + "a" * 70 + ".example/")
def test_whatever_is_written_is_an_address_or_refused(text: str) -> None:
    try:
        url = checked_url(text, private=False)
    except WebhookAddressError:
        return
    assert url.scheme == "https"
    assert url.host
    assert not url.userinfo


def test_plain_http_is_for_closed_networks_only() -> None:
    assert checked_url("http://127.0.0.1:8080/hook?from=lab", private=True).port == 8080


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
def test_this_computer_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(WebhookAddressError) as refused:
        look_up(checked_url(f"https://{host}/", private=False), private=False)
    assert refused.value.facts["rule"] in {"public-address", "known-host"}


def test_a_name_that_stands_for_a_public_and_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.5", 443)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    url = checked_url("https://hook.example/", private=False)
    with pytest.raises(WebhookAddressError, match="not on the public internet"):
        look_up(url, private=False)
    assert [str(address) for address in look_up(url, private=True)] == ["8.8.8.8", "10.0.0.5"]


def test_a_name_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(WebhookAddressError, match=r"nowhere\.example is not known"):
        look_up(checked_url("https://nowhere.example/", private=False), private=False)
