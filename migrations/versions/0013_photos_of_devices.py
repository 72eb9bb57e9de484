"""Photos of devices.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from lab.core.database import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device_photos",
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("alt_text", sa.Text(), nullable=False),
        sa.Column("large", sa.LargeBinary(), nullable=False),
        sa.Column("small", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_device_photos_device_id_devices")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_photos")),
    )


def downgrade() -> None:
    op.drop_table("device_photos")
