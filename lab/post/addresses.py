"""Where webhooks may go: nowhere inside our own network, whatever name somebody gives it.

A name is looked up once and the connection goes to what was found and checked, so that a name which points elsewhere a
moment later does not help.
"""

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

from lab.post.errors import WebhookAddressError

LONGEST_URL = 1000
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_.])?")
_NAT64 = ip_network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


def checked_url(text: str, *, private: bool) -> httpx.URL:
    """The address of a webhook, read once by the library that will connect to it.

    Args:
        text: as somebody wrote it.
        private: whether private addresses, and so plain HTTP, are allowed here.

    Raises:
        WebhookAddressError: if webhooks may not go there, whatever the name stands for.
    """
    if len(text) > LONGEST_URL:
        raise _refused(f"the address is longer than {LONGEST_URL} characters", "url-length")
    try:
        url = httpx.URL(text)
        known = _is_host(url.raw_host.decode()) and url.host  # a name in punycode may stand for no letters at all
    except (httpx.InvalidURL, ValueError) as error:
        raise _refused("this is no address of a web server; https://example.org/hook is one", "url-form") from error
    if url.scheme not in {"http", "https"} or not known:
        raise _refused("this is no address of a web server; https://example.org/hook is one", "url-form")
    if url.port is not None and not 0 < url.port < 65536:
        raise _refused("a port is a number from 1 to 65535", "url-form")
    if url.userinfo:
        raise _refused("leave name and password out of the address; what is sent is signed", "url-without-credentials")
    if url.fragment:
        raise _refused("leave out the part of the address from # on; it is never sent", "url-without-fragment")
    if url.scheme == "http" and not private:
        raise _refused("the address has to begin with https://, so that nobody on the way can read along", "https")
    return url


def look_up(url: httpx.URL, *, private: bool) -> Sequence[Address]:
    """The addresses behind a URL's host, all of them fit to be connected to.

    Raises:
        WebhookAddressError: if the name is unknown, or stands for a private address.
    """
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(url.raw_host.decode(), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _refused(f"the name {url.host} is not known; correct it or try again later", "known-host") from error
    addresses = list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))
    if not private and not all(is_public(address) for address in addresses):
        # One that is not is reason enough: an honest name does not stand for both.
        raise _refused(
            f"{url.host} stands for an address that is not on the public internet; webhooks may not go there",
            "public-address",
        )
    return addresses


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet; one that carries another inside is judged by that too."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None or address.is_site_local:
            return False
        inside = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inside = IPv4Address(int(address) & 0xFFFFFFFF)
        if inside is not None:
            return is_public(inside)
        if address.teredo is not None:
            return False
    return address.is_global and not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _HOST.fullmatch(host) is not None
    try:
        return IPv6Address(host).scope_id is None
    except ValueError:
        return False


def _refused(message: str, rule: str) -> WebhookAddressError:
    return WebhookAddressError(message, field="url", rule=rule)
