"""Who does what only one process should do, for how long."""

from sqlalchemy import Connection, String, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, Milliseconds


class LeaseRow(Base):
    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    until: Mapped[Milliseconds]


def hold(connection: Connection, name: str, holder: str, now: int, until: int) -> bool:
    """Take the lease or keep it. False while another holder has it.

    One that ends much later than ours would was taken by a clock that was wrong, and counts as over:
    nobody would have it until then.
    """
    absurd = until + (until - now)
    row = connection.execute(
        select(LeaseRow.holder, LeaseRow.until).where(LeaseRow.name == name)
    ).first()
    if row is None:
        insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
        values = {"name": name, "holder": holder, "until": until}
        made = connection.execute(
            insert(LeaseRow).values(values).on_conflict_do_nothing().returning(LeaseRow.name)
        )
        return made.first() is not None
    if row.holder != holder and now < row.until <= absurd:
        return False
    kept = connection.execute(
        update(LeaseRow)
        .where(
            LeaseRow.name == name,
            or_(LeaseRow.holder == holder, LeaseRow.until <= now, LeaseRow.until > absurd),
        )
        .values(holder=holder, until=until)
        .returning(LeaseRow.name)
    )
    return kept.first() is not None


def release(connection: Connection, name: str, holder: str) -> None:
    """Let the next one begin at once."""
    connection.execute(
        update(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder).values(until=0)
    )
