"""status lists, and endings whose sessions are still to be marked.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ENDED = sa.text("revoked_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "status_lists",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("allotted", sa.BigInteger(), nullable=False),
        sa.Column("allotted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
        postgresql_with={"fillfactor": 10},
    )
    op.create_table(
        "endings",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column(
        "clients", sa.Column("status", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.create_index(
        "ix_sessions_status_place", "sessions", ["status_list", "status_idx"], unique=True
    )
    op.create_index(
        "ix_sessions_status_ended",
        "sessions",
        ["status_list", "revoked_at", "status_idx"],
        unique=False,
        postgresql_where=ENDED,
        sqlite_where=ENDED,
    )


def downgrade() -> None:
    op.drop_index("ix_sessions_status_ended", table_name="sessions")
    op.drop_index("ix_sessions_status_place", table_name="sessions")
    op.drop_column("clients", "status")
    op.drop_table("endings")
    op.drop_table("status_lists")
