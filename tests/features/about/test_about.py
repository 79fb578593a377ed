"""The two pages for people: where things are, and what each error means."""

from html.parser import HTMLParser

import pytest

from tests.site import ISSUER

PAGES = ("/", "/errors")


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = []
        self.sources = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "a":
            self.found.append(given["href"])
        self.sources += [name for name in given if name in {"src", "onclick", "style"}]
        assert tag not in {"script", "iframe", "form"}


def read(site, path) -> Links:
    answer = site.http.get(path)
    assert answer.status_code == 200
    links = Links()
    links.feed(answer.text)
    return links


def test_the_root_says_what_this_is_and_leads_on(site):
    answer = site.http.get("/")
    assert answer.content_type == "text/html; charset=utf-8"
    assert "OAuth 2.0 authorization server" in answer.text
    found = set(read(site, "/").found)
    assert found >= {
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
        "/errors",
    }


@pytest.mark.parametrize("path", PAGES)
def test_every_link_inside_leads_somewhere(site, path):
    for link in read(site, path).found:
        if link.startswith("/"):
            answer = site.http.get(link, base_url=ISSUER, follow_redirects=True)
            assert answer.status_code == 200, link


@pytest.mark.clause("rfc9700-4.2.4-02", "rfc9700-4.16-01", "rfc9700-4.16-02")
@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_nothing_runs_nothing_and_cannot_be_framed(site, path):
    headers = site.http.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "'unsafe" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in headers
    assert read(site, path).sources == []


@pytest.mark.clause("rfc9700-4.16-03")
@pytest.mark.parametrize("path", PAGES)
def test_browsers_without_that_policy_are_told_not_to_frame_it_either(site, path):
    assert site.http.get(path).headers.get("X-Frame-Options") == "DENY"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_the_same_whatever_is_asked(site, path):
    answer = site.http.get(f"{path}?error=<script>alert(1)</script>")
    assert answer.data == site.http.get(path).data
    assert site.http.head(path).status_code == answer.status_code == 200
