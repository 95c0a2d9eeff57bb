"""Containers: documents that were taken out of another, jobs with children, and the dates that a file gives."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

HAS_PARENT = sa.text("parent_id IS NOT NULL")
IS_LIVE_CHILD = sa.text("parent_id IS NOT NULL AND state IN ('queued', 'running')")
HAS_WARNINGS = sa.text("warnings > 0")


def _count_warnings() -> None:
    """Not in SQL: PostgreSQL takes no JSON apart that has a NUL or half of a surrogate pair escaped in it."""
    documents = sa.table("documents", sa.column("seq"), sa.column("report"), sa.column("warnings"))
    connection = op.get_bind()
    reported = sa.select(documents.c.seq, documents.c.report).where(documents.c.report.is_not(None))
    counted = [
        {"row": row.seq, "count": len(warnings)}
        for row in connection.execute(reported)
        if (warnings := json.loads(row.report).get("warnings"))
    ]
    if counted:
        count = sa.update(documents).where(documents.c.seq == sa.bindparam("row"))
        connection.execute(count.values(warnings=sa.bindparam("count")), counted)


def upgrade() -> None:
    for column in (
        sa.Column("given_created_at", sa.Text(), nullable=True),
        sa.Column("given_updated_at", sa.Text(), nullable=True),
        sa.Column("warnings", sa.Integer(), server_default="0", nullable=False),
        sa.Column("container", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("parent_id", sa.String(length=36), nullable=True),
        sa.Column("bundle", sa.Text(), nullable=True),
        sa.Column("delivered_by", sa.BigInteger(), nullable=True),
    ):
        op.add_column("documents", column)
    _count_warnings()
    op.add_column("jobs", sa.Column("parent_id", sa.String(length=36), nullable=True))
    op.add_column("jobs", sa.Column("prune", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.drop_index("ix_documents_totals", "documents")
    op.create_index(
        "ix_documents_totals", "documents", ["collection", "source", "deleted", "container", "units"]
    )
    op.create_index(
        "ix_documents_parent",
        "documents",
        ["parent_id", "status", "seq"],
        sqlite_where=HAS_PARENT,
        postgresql_where=HAS_PARENT,
    )
    op.create_index(
        "ix_documents_members",
        "documents",
        ["parent_id", "seq"],
        sqlite_where=HAS_PARENT,
        postgresql_where=HAS_PARENT,
    )
    op.create_index(
        "ix_documents_bundle",
        "documents",
        ["bundle", "source", "collection", "delivered_by"],
        sqlite_where=HAS_PARENT,
        postgresql_where=HAS_PARENT,
    )
    op.create_index(
        "ix_documents_warned",
        "documents",
        ["seq"],
        sqlite_where=HAS_WARNINGS,
        postgresql_where=HAS_WARNINGS,
    )
    op.create_index(
        "ix_jobs_parent",
        "jobs",
        ["parent_id", "seq"],
        sqlite_where=HAS_PARENT,
        postgresql_where=HAS_PARENT,
    )
    op.create_index(
        "ix_jobs_children",
        "jobs",
        ["parent_id", "document_id", "state"],
        sqlite_where=IS_LIVE_CHILD,
        postgresql_where=IS_LIVE_CHILD,
    )


def downgrade() -> None:
    for name in ("ix_jobs_children", "ix_jobs_parent"):
        op.drop_index(name, "jobs")
    for name in ("warned", "bundle", "members", "parent", "totals"):
        op.drop_index(f"ix_documents_{name}", "documents")
    op.create_index("ix_documents_totals", "documents", ["collection", "source", "deleted", "units"])
    for column in ("prune", "parent_id"):
        op.drop_column("jobs", column)
    for column in (
        "delivered_by",
        "bundle",
        "parent_id",
        "container",
        "warnings",
        "given_updated_at",
        "given_created_at",
    ):
        op.drop_column("documents", column)
