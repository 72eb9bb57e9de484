"""Notes that are meant for the report.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("pilot_notes") as batch_op:
        batch_op.add_column(sa.Column("in_report", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("pilot_notes") as batch_op:
        batch_op.alter_column("in_report", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("pilot_notes") as batch_op:
        batch_op.drop_column("in_report")
