"""`grant_type=refresh_token` (RFC 6749 §6), HTTP side."""

from authlib.oauth2.rfc6749.grants import RefreshTokenGrant
from flask import request as http

from app.core.clients import Client
from app.core.outcomes import Outcome
from app.protocol import forms
from app.protocol.forms import Form
from app.protocol.grant import TokenGrant, device
from app.protocol.refresh import Request, refresh
from app.services.runtime import Runtime


class Refresh(TokenGrant, RefreshTokenGrant):
    GRANT_TYPE = "refresh_token"

    def exchange(self, run: Runtime, client: Client, form: Form) -> Outcome:
        request = Request(
            token=form.required("refresh_token"),
            scope=form.values.get("scope"),
            resources=form.resources,
            key=forms.idempotency_key(http.headers.get("Idempotency-Key")),
            device=device(),
        )
        return refresh(run, client, request)
