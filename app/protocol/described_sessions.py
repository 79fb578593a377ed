"""A session as people get to see it, on the command line and over HTTP."""

from app.core import sessions as rules
from app.core.sessions import Session, State, whole_seconds


def described(session: Session, now: int) -> dict[str, object]:
    """For JSON: times are UTC epoch seconds, durations seconds. Nothing of it is secret."""
    state = rules.state(session, now)
    live = state is State.LIVE
    idle_left, left = session.idle_expires_at - now, session.expires_at - now
    return {
        "id": session.public_id,
        "state": state.value,
        "client_id": session.client_id,
        "scope": session.scope,
        "created_at": whole_seconds(session.created_at),
        "last_seen_at": whole_seconds(session.last_seen_at),
        "age": whole_seconds(now - session.created_at),
        "refresh_token_timeout": whole_seconds(idle_left) if live else 0,
        "authorization_expires_in": whole_seconds(left) if live else 0,
        "remember_me": session.remember_me,
        "device_name": session.device_name,
        "user_agent": session.user_agent,
        "ip": session.ip,
    }
