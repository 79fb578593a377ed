"""In production none of this exists: no route, no header, no clock, not even the code."""

import subprocess
import sys

from flask import Flask

from app import create_app, system_clock
from app.features import INSTALLED, installed
from app.settings import Settings
from tests.protocol.expect import refused
from tests.site import ISSUER

LOADED = """
import sys
from app import create_app
from app.settings import Settings
for env in ("production", "development"):
    create_app(Settings(env=env, issuer="https://id.example.com"))
    ours = [name for name in sys.modules if name.startswith("app.")]
    print(*(name for name in ours if "chaos" in name or "fault" in name or "clock" in name))
"""
HEADER = "X-Perennial-Chaos"


def test_the_site_under_test_is_a_production_one(site):
    assert site.run.settings.env == "production"
    assert Settings(issuer=ISSUER).env == "production", "which is what a server is unless told"


def test_nothing_is_found_below_dev(site):
    for path in ("/dev/clock", "/dev/chaos", "/dev/", "/dev"):
        for method in ("GET", "POST", "DELETE", "PUT", "OPTIONS"):
            answer = site.http.open(path, method=method, json={"advance": 3600})
            refused(answer, "invalid_request", 404)


def test_no_rule_of_the_url_map_is_for_development(site):
    rules = [(rule.rule, rule.endpoint) for rule in site.app.url_map.iter_rules()]
    assert [rule for rule in rules if rule[0].startswith("/dev/") or "chaos" in rule[1]] == []
    assert "chaos" not in site.app.blueprints


def test_the_application_is_not_wrapped(site):
    assert site.app.wsgi_app == Flask.wsgi_app.__get__(site.app)


def test_the_header_is_ignored(site):
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    for fault in ("drop", "drop-before", "503", "502-html", "duplicate", "explode", ""):
        form = {"grant_type": "refresh_token", "refresh_token": token}
        answer = site.token(client, {HEADER: fault}, **form)
        assert answer.status_code == 200, fault
        token = answer.json["refresh_token"]
    ended = site.post("/oauth/revoke", {"token": token}, client, {HEADER: "drop"})
    assert (ended.status_code, ended.json) == (200, {})


def test_a_page_may_not_send_the_header(site):
    origin = "https://app.example.com"
    site.client("refresh_token", public=True, origins=(origin,))
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answer = site.http.options("/oauth/token", headers=asked)
    assert "chaos" not in answer.headers["Access-Control-Allow-Headers"].lower()


def test_the_clock_is_the_systems(site):
    assert site.run.now is site.run.system_now is site.clock
    run = create_app(Settings(issuer=ISSUER)).extensions["perennial"]
    assert run.now is system_clock


def test_the_features_are_those_of_the_list_and_development_adds_one():
    assert installed("production") is INSTALLED
    assert [feature.name for feature in installed("development")[len(INSTALLED) :]] == ["chaos"]


def test_production_does_not_load_the_code(tmp_path):
    command = [sys.executable, "-c", LOADED]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    production, development = (set(line.split()) for line in done.stdout.splitlines())
    assert production == set(), "or production is not free of it"
    assert development >= {
        "app.features.chaos",
        "app.services.faults",
        "app.services.movable_clock",
    }
