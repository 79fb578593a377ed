"""which sessions were begun at the first-party API, and lifetimes of clients.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    first_party = sa.Column("first_party", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("sessions", first_party)
    for name in ("idle_ttl", "session_ttl"):
        op.add_column("clients", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("clients", "session_ttl")
    op.drop_column("clients", "idle_ttl")
    op.drop_column("sessions", "first_party")
