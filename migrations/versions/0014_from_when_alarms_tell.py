"""From when on an alarm tells: of a rate, the time of the value before.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("alarms") as batch_op:
        batch_op.add_column(sa.Column("from_ns", sa.BigInteger(), nullable=True))
    # Of earlier rates nobody knows it any more: they are told to the staff only.
    op.execute("UPDATE alarms SET from_ns = CASE WHEN kind = 'rate' THEN 0 ELSE raised_ns END")
    with op.batch_alter_table("alarms") as batch_op:
        batch_op.alter_column("from_ns", existing_type=sa.BigInteger(), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("alarms") as batch_op:
        batch_op.drop_column("from_ns")
