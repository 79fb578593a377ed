"""`grant_type=urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 §3.4), HTTP side."""

from authlib.oauth2.rfc8628 import DeviceCodeGrant

from app.core import device as rules
from app.core.clients import Client
from app.core.outcomes import Outcome
from app.features.device.use_case import Poll, poll
from app.protocol.forms import Form
from app.protocol.grant import TokenGrant, device
from app.services.runtime import Runtime


class DeviceCode(TokenGrant, DeviceCodeGrant):
    """Authlib lets a code be used again, calls another client's code `unauthorized_client` and leaves
    counting polls to its caller; here one statement decides who redeems.
    """

    GRANT_TYPE = rules.GRANT

    def exchange(self, run: Runtime, client: Client, form: Form) -> Outcome:
        presented = Poll(form.required("device_code"), form.resources, device())
        return poll(run, client, presented)
