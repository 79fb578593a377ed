"""What people call the program that they came with."""

import pytest

from app.core.browsers import named
from app.core.devices import address_hint

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0"
IPAD = f"Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) {APPLE} Mobile/15E148 Safari/604.1"
MAC = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {APPLE} Safari/605.1.15"
GALAXY = f"Mozilla/5.0 (Linux; Android 15) {WEBKIT} SamsungBrowser/28.0 Chrome/130.0 Safari/537.36"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (f"{WINDOWS} {WEBKIT} Chrome/150.0 Safari/537.36", "Chrome on Windows"),
        (f"{WINDOWS} {WEBKIT} Chrome/150.0 Safari/537.36 Edg/150.0", "Edge on Windows"),
        (f"{WINDOWS} {WEBKIT} Chrome/150.0 Safari/537.36 OPR/120.0", "Opera on Windows"),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (GALAXY, "Samsung Internet on Android"),
        (
            f"{IPHONE} (KHTML, like Gecko) CriOS/150.0 Mobile/15E148 Safari/604.1",
            "Chrome on iPhone",
        ),
        (
            f"{IPHONE} (KHTML, like Gecko) FxiOS/140.0 Mobile/15E148 Safari/604.1",
            "Firefox on iPhone",
        ),
        (IPAD, "Safari on iPad"),
        (MAC, "Safari on macOS"),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/150.0 Safari/537.36",
            "Chrome on ChromeOS",
        ),
        ("Mozilla/5.0 (Windows NT 10.0; something new)", "A browser on Windows"),
        ("Mozilla/5.0", "A browser"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.32", "python-requests"),
        ("PhotoAlbum/3.1 (iPhone; iOS 18.0)", "PhotoAlbum on iPhone"),
        ("something", "something"),
        ("a b/1", "a"),
        (" ", "An unknown program"),
        ("/", "An unknown program"),
        ("", "An unknown program"),
        (None, "An unknown program"),
        ("x" * 200, "x" * 40),
    ],
)
def test_a_program_is_called_what_people_call_it(agent, name):
    assert named(agent) == name


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("203.0.113.9", "203.0.113.*"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:*"),
        ("::1", "0:0:0:*"),
        ("::ffff:203.0.113.9", "203.0.113.*"),
        ("fe80::1%eth0", "fe80:0:0:*"),
        ("unix", None),
        ("", None),
        (None, None),
    ],
)
def test_a_hint_of_an_address_is_its_network(address, hint):
    assert address_hint(address) == hint
