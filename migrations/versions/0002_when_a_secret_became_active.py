"""when a derivation secret became active.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("secret_ids", sa.Column("activated_at", sa.BigInteger(), nullable=True))
    # Until now a secret was made active when it was made.
    op.execute("UPDATE secret_ids SET activated_at = created_at WHERE state = 'active'")


def downgrade() -> None:
    op.drop_column("secret_ids", "activated_at")
