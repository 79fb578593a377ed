"""The life cycle carried out: what is due is done, what left long ago is forgotten."""

from app.core import keyring
from app.core.sessions import SECOND
from app.services.jobs import Job
from app.services.runtime import Runtime
from app.store import signing_keys

HOUR = 3600 * SECOND


def maintain(run: Runtime) -> None:
    """Looks at the keys in memory, so that a moment without a transition costs nothing."""
    now = run.now()
    if keyring.plan(run.keystore.keys(now), now, run.key_policy):
        run.telemetry.publish(run.ceremony().maintain(now))
        run.keystore.forget()


def forget(run: Runtime) -> None:
    with run.transactions.begin() as connection:
        signing_keys.forget(connection, run.now() - keyring.KEPT)


MAINTAIN = Job("maintain_keys", every=SECOND, work=maintain)
FORGET = Job("forget_keys", every=HOUR, work=forget)
