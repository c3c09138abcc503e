"""Where webhooks may go: a table of ways to make a service send requests to its own network."""

import ipaddress

import pytest
from shrutlekh_contract.webhook_urls import LONGEST_URL

from shared.destinations import Destination, Policy, Refused, is_public

NO_URLS = [
    "",
    "example.org",
    "//example.org/",
    "ftp://example.org/",
    "file:///etc/passwd",
    "gopher://example.org/",
    "javascript:alert(1)",
    "https://",
    "https:///path",
    "https://user@example.org/",
    "https://user:password@example.org/",
    "https://127.0.0.1@example.org/",
    "https://example.org@127.0.0.1/",
    "https://example.org#@127.0.0.1/",
    "https://example.org/#fragment",
    "https://example.org\\@127.0.0.1/",
    "https://exa mple.org/",
    "https://example.org/\r\nHost: other",
    "https://example.org/\t",
    " https://example.org/",
    "https://example.org/पथ",
    "https://उदाहरण.भारत/",
    "https://ｌocalhost/",
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http://①②⑦.0.0.1/",
    "https://%31%32%37.0.0.1/",
    "https://example.org:0/",
    "https://example.org:65536/",
    "https://example.org:port/",
    "https://[::1/",
    "https://[fe80::1%25eth0]/",
    "https://exa_mple..org/",
    "https://example.org../",
    "https://-example.org/",
    f"https://{'a' * 64}.org/",
    f"https://{'a.' * 130}org/",
    "https://example.org/" + "a" * LONGEST_URL,
]
NOT_PUBLIC = [
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://a.localhost/",
    "http://127.0.0.1/",
    "http://127.0.0.1./",
    "http://127.8.9.10/",
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://100.127.255.255/",
    "http://169.254.169.254/latest/meta-data/",
    "http://192.0.0.1/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::8.8.8.8]/",
    "http://[2001::f5ff:fffe]/",
]
ODD_SPELLINGS = [
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://127.0.0.01/",
    "http://1.2.3.4.5/",
    "http://256.1.1.1/",
    "http://example.0x7f/",
    "http://10.0.0.0x1/",
]
RESERVED_PORTS = [22, 25, 53, 81, 445, 1023]
FINE = [
    ("https://example.org", ("https", "example.org", 443, "/", "example.org")),
    ("http://Example.ORG./a?b=c", ("http", "example.org", 80, "/a?b=c", "example.org")),
    ("https://example.org:8443/a", ("https", "example.org", 8443, "/a", "example.org:8443")),
    ("https://xn--p1b6ci4b4b3a.xn--h2brj9c/a%20b", ("https", "xn--p1b6ci4b4b3a.xn--h2brj9c", 443)),
    ("https://8.8.8.8/", ("https", "8.8.8.8", 443, "/", "8.8.8.8")),
    ("https://[2606:4700::1111]:8443/", ("https", "2606:4700::1111", 8443, "/", "[2606:4700::1111]:8443")),
    ("https://[64:ff9b::8.8.8.8]/", ("https", "64:ff9b::808:808", 443)),
    ("https://a_b.example.org:80/", ("https", "a_b.example.org", 80)),
]


@pytest.mark.parametrize("url", [*NO_URLS, *ODD_SPELLINGS])
def test_what_programs_read_differently_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        Destination.parse(url)


@pytest.mark.parametrize("url", NOT_PUBLIC)
def test_what_is_not_public_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        Policy().check(Destination.parse(url))


@pytest.mark.parametrize("port", RESERVED_PORTS)
@pytest.mark.parametrize("host", ["example.org", "8.8.8.8"])
def test_ports_of_the_system_are_refused(host: str, port: int) -> None:
    with pytest.raises(Refused):
        Policy().check(Destination.parse(f"http://{host}:{port}/"))


@pytest.mark.parametrize(("url", "parts"), FINE)
def test_public_receivers(url: str, parts: tuple[object, ...]) -> None:
    found = Destination.parse(url)
    Policy().check(found)
    assert (found.scheme, found.host, found.port, found.target, found.authority)[: len(parts)] == parts


@pytest.mark.parametrize(
    "private", ["10.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "::ffff:10.0.0.1"]
)
def test_a_single_private_address_among_public_ones_is_refused(private: str) -> None:
    addresses = [ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address(private)]
    assert [is_public(address) for address in addresses] == [True, False]
    with pytest.raises(Refused):
        Policy().check_addresses(Destination.parse("https://example.org/"), addresses)


def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(Refused):
        Policy().check_addresses(Destination.parse("https://example.org/"), [])


@pytest.mark.parametrize(
    ("entry", "url", "address", "fine"),
    [
        ("crm.example.org", "http://crm.example.org/", "10.0.0.1", True),
        ("CRM.example.org.", "http://crm.example.org:22/", "10.0.0.1", True),
        ("crm.example.org", "http://a.crm.example.org/", "10.0.0.1", False),
        ("crm.example.org:9000", "http://crm.example.org:9000/", "10.0.0.1", True),
        ("crm.example.org:9000", "http://crm.example.org:9001/", "10.0.0.1", False),
        ("10.0.0.0/8", "http://crm.example.org/", "10.9.8.7", True),
        ("10.0.0.0/8", "http://10.9.8.7/", "10.9.8.7", True),
        ("10.0.0.0/8", "http://crm.example.org/", "192.168.0.1", False),
        ("10.0.0.0/8", "http://crm.example.org/", "::ffff:10.9.8.7", False),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/", "127.0.0.1", True),
        ("127.0.0.1:9000", "http://localhost:9000/", "127.0.0.1", False),
        ("localhost", "http://localhost:9000/", "127.0.0.1", True),
        ("127.0.0.1:9000", "http://127.0.0.1:9001/", "127.0.0.1", False),
        ("[fd00::1]:9000", "http://[fd00::1]:9000/", "fd00::1", True),
        ("fd00::1", "http://[fd00::1]/", "fd00::1", True),
        ("fd00::/8", "http://crm.example.org/", "fd00::1", True),
    ],
)
def test_receivers_that_the_operator_allows(entry: str, url: str, address: str, fine: bool) -> None:
    policy, destination = Policy([entry]), Destination.parse(url)
    if fine:
        policy.check(destination)
        policy.check_addresses(destination, [ipaddress.ip_address(address)])
    else:
        with pytest.raises(Refused):
            policy.check(destination)
            policy.check_addresses(destination, [ipaddress.ip_address(address)])


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "https://example.org", "a b", "a.org:port", "127.1", ""])
def test_a_malformed_entry_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Policy([entry])


def test_the_table_is_long_enough() -> None:
    assert len(NO_URLS) + len(NOT_PUBLIC) + len(ODD_SPELLINGS) >= 40
