"""One promise for every framework: the same requests get the same answers."""

import asyncio

import httpx
import pytest
from fastapi import Depends, FastAPI
from flask import Flask, g
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from clients.python.tests.party import AUDIENCE, at_once
from perennial.verify import AccessToken, AsyncVerifier, Verifier
from perennial.verify.flask import install
from perennial.verify.flask import protect as protect_flask
from perennial.verify.starlette import protect


@pytest.fixture
def options(party, clock):
    return {
        "issuer": party.issuer,
        "audience": AUDIENCE,
        "transport": party,
        "clock": clock,
        "timer": clock,
        "spawn": at_once,
    }


def flask_site(options):
    app = Flask(__name__)
    install(app, Verifier(**options))

    @app.route("/notes", methods=["GET", "POST"])
    @protect_flask(scope="read")
    def notes():
        return {"subject": g.access_token.subject}

    @app.get("/later")
    @protect_flask(scope="admin")
    def later():
        raise AssertionError("a view that must not be reached")

    return httpx.Client(transport=httpx.WSGITransport(app), base_url="https://notes.example.com")


class Asgi:
    """An httpx client for an ASGI application, without the awaiting."""

    def __init__(self, app):
        self._app = app

    def request(self, *args, **kwargs):
        async def ask():
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="https://x") as client:
                return await client.request(*args, **kwargs)

        return asyncio.run(ask())


def fastapi_site(options):
    app, verifier = FastAPI(), AsyncVerifier(**options)
    may_read = Depends(protect(verifier, scope="read"))

    @app.api_route("/notes", methods=["GET", "POST"])
    async def notes(token: AccessToken = may_read):
        return {"subject": token.subject}

    @app.get("/later", dependencies=[Depends(protect(verifier, scope="admin"))])
    async def later():
        raise AssertionError("a view that must not be reached")

    return Asgi(app)


def starlette_site(options):
    verifier = AsyncVerifier(**options)
    may_read, may_admin = protect(verifier, scope="read"), protect(verifier, scope="admin")

    async def notes(request):
        token = await may_read(request)
        assert request.state.access_token is token
        return JSONResponse({"subject": token.subject})

    async def later(request):
        await may_admin(request)
        raise AssertionError("a view that must not be reached")

    return Asgi(
        Starlette(routes=[Route("/notes", notes, methods=["GET", "POST"]), Route("/later", later)])
    )


@pytest.fixture(params=[flask_site, fastapi_site, starlette_site])
def site(request, options):
    return request.param(options)


def ask(site, token=None, path="/notes", **how):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = site.request(how.pop("method", "GET"), path, headers=headers, **how)
    return answer.status_code, answer.headers.get("WWW-Authenticate"), answer


def test_a_good_token_gets_through(site, party):
    status, challenge, answer = ask(site, party.token())
    assert (status, challenge, answer.json()) == (200, None, {"subject": "ana"})


def test_without_credentials_no_error_is_named(site):
    assert ask(site)[:2] == (401, "Bearer")


def test_a_bad_token_is_an_invalid_token(site, party, clock):
    token = party.token()
    clock.advance(900)
    assert ask(site, token)[:2] == (401, 'Bearer error="invalid_token"')
    assert ask(site, "garbage")[:2] == (401, 'Bearer error="invalid_token"')


def test_too_little_scope_is_forbidden(site, party):
    expected = 'Bearer error="insufficient_scope", scope="admin"'
    assert ask(site, party.token(), path="/later")[:2] == (403, expected)


def test_two_tokens_are_an_invalid_request(site, party):
    token = party.token()
    assert ask(site, f"{token} {token}")[:2] == (400, 'Bearer error="invalid_request"')
    # As a WSGI server joins two headers of one name.
    assert ask(site, f"{token},Bearer {token}")[:2] == (400, 'Bearer error="invalid_request"')


def test_a_token_in_a_form_or_a_query_is_not_seen(site, party):
    token = party.token()
    assert ask(site, params={"access_token": token})[0] == 401
    assert ask(site, method="POST", data={"access_token": token})[0] == 401


def test_without_keys_the_service_is_unavailable(site, party):
    party.go_away()
    status, challenge, answer = ask(site, party.token())
    assert (status, challenge, answer.headers["Retry-After"]) == (503, None, "5")


def test_an_asynchronous_flask_view_is_protected_too(options, party):
    app = Flask(__name__)
    install(app, Verifier(**options))
    called = []
    app.ensure_sync = lambda view: called.append(view) or view

    @app.get("/")
    @protect_flask()
    def view():
        return "ok"

    client = app.test_client()
    answer = client.get("/", headers={"Authorization": f"Bearer {party.token()}"})
    assert (answer.text, len(called) >= 1) == ("ok", True)


def test_sensitive_views_need_a_verifier_that_can_ask(options):
    with pytest.raises(ValueError, match="introspection"):
        protect(AsyncVerifier(**options), sensitive=True)
