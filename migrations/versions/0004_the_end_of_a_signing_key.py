"""when a signing key was dropped, and private keys sealed.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signing_keys", sa.Column("dropped_at", sa.BigInteger(), nullable=True))
    op.add_column("signing_keys", sa.Column("sealed", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("signing_keys", "sealed")
    op.drop_column("signing_keys", "dropped_at")
