"""Steps of a roll-out of derivation secrets, on hosts inside the test's own process."""

from app.core.outcomes import Rejected
from app.services.secret_ceremony import SecretCeremony, Turn, Waiting
from tests.site import Site


def ceremony(site: Site) -> SecretCeremony:
    return SecretCeremony(site.run.keystore.directory, site.run.transactions)


def establish(site: Site):
    site.run.keystore.forget()
    return site.run.ceremony().establish(site.clock())


def rotate(site: Site, *, called_at: int | None = None) -> Turn | Rejected:
    """A call of its own, a minute after whatever happened before, unless told otherwise."""
    if called_at is None:
        site.clock.advance(seconds=60)
        called_at = site.clock()
    turn = ceremony(site).rotate(called_at, Waiting(site.clock, site.clock.advance))
    site.run.keystore.forget()
    return turn


def bring(source: Site, target: Site, name: str) -> None:
    """Copy a file from one host's key directory to another's, mode included."""
    copy = target.run.settings.keys_dir / name
    copy.touch(mode=0o600)
    copy.write_bytes((source.run.settings.keys_dir / name).read_bytes())
    target.run.keystore.forget()


def states(site: Site) -> dict[int, str]:
    return {entry.id: entry.state.value for entry in ceremony(site).known()}


def files(site: Site) -> list[str]:
    return sorted(path.name for path in site.run.settings.keys_dir.glob("*.secret"))
