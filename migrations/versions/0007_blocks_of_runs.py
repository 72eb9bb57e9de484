"""Blocks and levels of runs: what a run is compared within, and what else was varied.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("block", sa.String(length=40), nullable=True))
    op.add_column("runs", sa.Column("levels", sa.JSON(), server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("runs", "levels")
    op.drop_column("runs", "block")
