"""What would become of a token if its own client presented it now. Nothing is written."""

from dataclasses import dataclass

from app.core import rotation
from app.core import sessions as rules
from app.core.clients import Client
from app.core.refresh_token import PREFIX, RefreshToken, parse
from app.core.rotation import (
    Heal,
    Policy,
    Refusal,
    Refuse,
    Repeat,
    Reuse,
    Rotate,
    Rule,
    Verdict,
)
from app.core.sessions import SECOND, Channel, Session, State, whole_seconds
from app.services import access_tokens
from app.services.access_tokens import AccessToken
from app.services.runtime import Runtime
from app.store import denied_tokens, sessions

Facts = dict[str, object]

GRANTED = {
    Rule.R4_TOO_SOON: "current, and younger than min_rotation_interval: the same token again",
    Rule.R5_CURRENT: "current: the next token",
    Rule.R6_IN_WINDOW: "superseded, inside the grace window: the same successor again",
    Rule.R6K_SAME_REQUESTER: "superseded, but its client may recover it until the successor is used",
    Rule.R8_AHEAD: "ahead of the database, which lost rotations: the token after it, and an alarm",
}
REFUSED = {
    Refusal.MALFORMED: "not of the form of a refresh token: cut off, mistyped, or another server's",
    Refusal.UNKNOWN_SESSION: "no such session: never begun here, or its row has been deleted",
    Refusal.FORGED: "its tag is wrong: not made by this server",
    Refusal.PROOF_FAILED: "bound to a key: only a proof of possession would show who presents it",
    Refusal.SECRET_AWAITED: "its derivation secret has not reached this host: 503, ask again",
    Refusal.SECRET_GONE: "a derivation secret that it or its successor needs is retired",
}
OVER = {
    State.IDLE: "the session was idle for too long",
    State.EXPIRED: "the session has reached its end",
    State.ENDED: "the session was ended",
    State.REUSED: "the session ended because a superseded token was presented",
}
DISABLED = "its client is disabled"
REUSED = "superseded: presenting it ends the session"
BUT_WITH_KEY = "; with the Idempotency-Key of the rotation it would get the same successor (R6k)"


@dataclass(frozen=True, slots=True)
class Explanation:
    accepted: bool
    facts: Facts


def explain(run: Runtime, text: str) -> Explanation:
    """`facts` has no secret in it, and never the token."""
    token = parse(text)
    if token is not None:
        return _refresh_token(run, token)
    claims = None if text.startswith(PREFIX) else access_tokens.read(run, text)
    if claims is not None:
        return _access_token(run, claims)
    kind = "refresh token" if text.startswith(PREFIX) else "unknown"
    why = REFUSED[Refusal.MALFORMED]
    if kind == "unknown":
        why = "neither a refresh token nor a valid access token: expired, altered, or another's"
    rule = Rule.R0_MALFORMED.value if kind == "refresh token" else None
    return Explanation(accepted=False, facts={"token": kind, "rule": rule, "why": why})


def _refresh_token(run: Runtime, token: RefreshToken) -> Explanation:
    with run.rotations.connect() as connection:
        session = sessions.find(connection, token.sid)
    now = run.now()
    client = None if session is None else run.registry.client(session.client_id, now)
    policy = Policy(run.settings.reuse_grace * SECOND) if client is None else run.policy(client)
    owner = "" if session is None else session.client_id
    channel = Channel.BODY if session is None else session.channel
    presented = rotation.present(token, run.ring(), session, owner, channel=channel)
    verdict = rotation.judge(session, presented, now, policy)
    genuine = not isinstance(verdict, Refuse) or verdict.why in {Refusal.OVER, Refusal.PROOF_FAILED}
    facts: Facts = {"token": "refresh token", "rule": verdict.rule.value, "why": _why(verdict)}
    facts["generation"] = token.generation
    if session is None or not genuine:
        return Explanation(accepted=False, facts=facts)
    if isinstance(verdict, Reuse) and policy.window > 0 and session.rotation_key_hash is not None:
        facts["why"] = REUSED + (BUT_WITH_KEY if verdict.behind_by == 1 else "")
    accepted = isinstance(verdict, Rotate | Heal | Repeat)
    if not _enabled(client):
        accepted, facts["why"] = False, DISABLED
    return Explanation(accepted, {**facts, **_row(session, policy, now)})


def _enabled(client: Client | None) -> bool:
    return client is not None and not client.disabled


def _why(verdict: Verdict) -> str:
    match verdict:
        case Rotate(rule=rule) | Heal(rule=rule) | Repeat(rule=rule):
            return GRANTED[rule]
        case Reuse():
            return REUSED
        case Refuse(state=State() as state):
            return OVER[state]
        case Refuse(why=why):
            return REFUSED[why]


def _row(session: Session, policy: Policy, now: int) -> Facts:
    """What the row says; all durations are seconds."""
    age = rotation.age(session, now)
    return {
        "current_generation": session.generation,
        "session": session.public_id,
        "state": rules.state(session, now).value,
        "client_id": session.client_id,
        "user_id": session.user_id,
        "rotated_ago": whole_seconds(age),
        "grace_left": whole_seconds(policy.window - age),
        "min_rotation_interval": whole_seconds(policy.interval(session.channel)),
        "key_remembered": session.rotation_key_hash is not None,
        "refresh_token_timeout": whole_seconds(session.idle_expires_at - now),
        "authorization_expires_in": whole_seconds(session.expires_at - now),
    }


def _access_token(run: Runtime, token: AccessToken) -> Explanation:
    accepted = access_tokens.is_alive(run, token)
    facts: Facts = {
        "token": "access token",
        "rule": None,
        "why": "valid" if accepted else _why_dead(run, token),
        "session": token.claims.get("sid"),
        "client_id": token.client_id,
        "user_id": token.claims["sub"],
        "audience": list(token.audience),
        "expires_in": whole_seconds(token.expires_at - run.now()),
    }
    return Explanation(accepted, facts)


def _why_dead(run: Runtime, token: AccessToken) -> str:
    now = run.now()
    if not _enabled(run.registry.client(token.client_id, now)):
        return DISABLED
    with run.rotations.connect() as connection:
        if denied_tokens.is_denied(connection, token.jti):
            return "it was revoked by itself"
        session = sessions.find_public(connection, str(token.claims.get("sid")))
    if session is None:
        return REFUSED[Refusal.UNKNOWN_SESSION]
    return OVER.get(rules.state(session, now), "valid")
