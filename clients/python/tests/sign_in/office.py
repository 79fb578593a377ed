"""An authorization server that also has a browser endpoint, pushed requests and device codes."""

from collections import deque

from clients.python.tests.session import world
from clients.python.tests.session.world import ISSUER, answer

PENDING = answer({"error": "authorization_pending"}, 400)
SLOW_DOWN = answer({"error": "slow_down"}, 400)
CODES = {
    "device_code": "device-secret",
    "user_code": "ABCD-EFGH",
    "verification_uri": f"{ISSUER}/device",
    "verification_uri_complete": f"{ISSUER}/device?user_code=ABCD-EFGH",
    "expires_in": 600,
    "interval": 5,
}


class Clock(world.Clock):
    """Pauses take no time, and all the time that they say."""

    def pause(self, seconds, until):
        self.pauses.append(seconds)
        self.advance(seconds)


class Server(world.Server):
    def __init__(self, clock, **more):
        super().__init__(clock, **more)
        self.metadata |= {
            "authorization_endpoint": f"{ISSUER}/authorize",
            "device_authorization_endpoint": f"{ISSUER}/device-code",
            "authorization_response_iss_parameter_supported": True,
        }
        self.pushed, self.asked_for_codes = [], []
        self.codes, self.par = answer(CODES), answer({"request_uri": "urn:r:1"}, 201)
        self.polls = deque()

    def push(self):
        self.metadata["pushed_authorization_request_endpoint"] = f"{ISSUER}/par"

    def __call__(self, request):
        match request.url.removeprefix(ISSUER):
            case "/par":
                self.pushed.append(form_of(request))
                return self.par
            case "/device-code":
                self.asked_for_codes.append(form_of(request))
                return self.codes
        return super().__call__(request)

    def grant(self, form):
        if form["grant_type"].endswith(":device_code") and self.polls:
            said = self.polls.popleft()
            if isinstance(said, Exception):
                raise said
            return said
        return super().grant(form)


def form_of(request):
    return {name: value for name, (value,) in world.parse_qs(request.body.decode()).items()}


class Party(world.Party):
    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.server = Server(self.clock)
