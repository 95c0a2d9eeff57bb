"""The catalog's tables. Times are milliseconds since 1970 by the database's clock; lists and objects are JSON text.

A change here needs a migration and a new `REVISION`; a test compares the two.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

REVISION: Final = "0003"
"""The newest migration. Kept here so that opening an up-to-date catalog does not import Alembic."""

# A document's status follows from its other columns, so it cannot contradict them.
STATUS_SQL: Final = (
    "CASE WHEN deleted THEN 'deleting'"
    " WHEN ended_version = desired_version THEN ended_state"
    " WHEN active_version = desired_version THEN 'ready'"
    " ELSE 'processing' END"
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Conditions of partial indexes, word for word as in the migrations.
_IS_LIVE: Final = text("state IN ('queued', 'running')")
_IS_RUNNING: Final = text("state = 'running'")
_HAS_PARENT: Final = text("parent_id IS NOT NULL")
_IS_LIVE_CHILD: Final = text("parent_id IS NOT NULL AND state IN ('queued', 'running')")
_HAS_WARNINGS: Final = text("warnings > 0")

# SQLite numbers rows by itself only where the type is spelt INTEGER.
Sequence = BigInteger().with_variant(Integer(), "sqlite")

documents = Table(
    "documents",
    metadata,
    Column("seq", Sequence, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("collection", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    # What the caller said …
    Column("title", Text, nullable=False),
    Column("author", Text),
    Column("url", Text),
    Column("language", Text),
    Column("tags", Text, nullable=False),
    Column("meta", Text, nullable=False),
    Column("given_created_at", Text),
    Column("given_updated_at", Text),
    # … and what the active version's file says of itself, used where the caller said nothing.
    Column("file_fields", Text, nullable=False, server_default="{}"),
    Column("desired_version", Integer, nullable=False),
    Column("active_version", Integer),
    Column("ended_version", Integer),
    Column("ended_state", Text),
    Column("error", Text),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    Column("status", Text, Computed(STATUS_SQL, persisted=True)),
    Column("units", Integer, nullable=False, server_default="0"),
    # The desired version's content, repeated from `versions` so that a document is read without a join.
    Column("blob", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("split", Text, nullable=False),
    Column("report", Text),
    Column("warnings", Integer, nullable=False, server_default="0"),
    Column("container", Boolean, nullable=False, server_default=false()),
    # Of a document that was taken out of a container: the container, what that is a state of, and the `seq` of the
    # newest job that found the document in it.
    Column("parent_id", String(36)),
    Column("bundle", Text),
    Column("delivered_by", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("ix_documents_place", "collection", "source", "seq"),
    Index("ix_documents_status", "status", "seq"),
    Index("ix_documents_totals", "collection", "source", "deleted", "container", "units"),
    Index(
        "ix_documents_parent",
        "parent_id",
        "status",
        "seq",
        sqlite_where=_HAS_PARENT,
        postgresql_where=_HAS_PARENT,
    ),
    Index(
        "ix_documents_members",
        "parent_id",
        "seq",
        sqlite_where=_HAS_PARENT,
        postgresql_where=_HAS_PARENT,
    ),
    Index(
        "ix_documents_bundle",
        "bundle",
        "source",
        "collection",
        "delivered_by",
        sqlite_where=_HAS_PARENT,
        postgresql_where=_HAS_PARENT,
    ),
    Index("ix_documents_warned", "seq", sqlite_where=_HAS_WARNINGS, postgresql_where=_HAS_WARNINGS),
)

versions = Table(
    "versions",
    metadata,
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("blob", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("split", Text, nullable=False),
    Column("text_blob", String(64)),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_versions_blob", "blob"),
    Index("ix_versions_text_blob", "text_blob"),
)

units = Table(
    "units",
    metadata,
    Column("document_id", String(36), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("unit_id", String(36), nullable=False),
    Column("kind", Text, nullable=False),
    Column("page", Integer),
    Column("heading_path", Text, nullable=False),
    Column("char_start", Integer, nullable=False),
    Column("char_end", Integer, nullable=False),
    Column("text", Text, nullable=False),
    ForeignKeyConstraint(
        ["document_id", "version"], ["versions.document_id", "versions.version"], ondelete="CASCADE"
    ),
    Index("ix_units_unit_id", "unit_id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("seq", Sequence, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    # Not a foreign key: a deletion's job outlives its document.
    Column("document_id", String(36), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("run_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger),
    Column("cancel_requested", Boolean, nullable=False, server_default=false()),
    Column("stage", Text, nullable=False, server_default=""),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    Column("dedup_key", Text),
    # The job of the container that this one's document was taken out of.
    Column("parent_id", String(36)),
    # Whether documents that a container no longer holds are deleted.
    Column("prune", Boolean, nullable=False, server_default=false()),
    Column("events", Integer, nullable=False, server_default="0"),
    Column("event_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Index(
        "ix_jobs_claim",
        "priority",
        "run_at",
        "seq",
        sqlite_where=text("state = 'queued'"),
        postgresql_where=text("state = 'queued'"),
    ),
    Index(
        "ix_jobs_lease",
        "lease_until",
        sqlite_where=_IS_RUNNING,
        postgresql_where=_IS_RUNNING,
    ),
    # Two jobs of one document never run at once: neither has to reckon with what the other does to the index.
    Index(
        "uq_jobs_running_document",
        "document_id",
        unique=True,
        sqlite_where=_IS_RUNNING,
        postgresql_where=_IS_RUNNING,
    ),
    Index(
        "uq_jobs_dedup_key",
        "dedup_key",
        unique=True,
        sqlite_where=_IS_LIVE,
        postgresql_where=_IS_LIVE,
    ),
    Index("ix_jobs_document", "document_id", "seq"),
    Index("ix_jobs_parent", "parent_id", "seq", sqlite_where=_HAS_PARENT, postgresql_where=_HAS_PARENT),
    Index(
        "ix_jobs_children",
        "parent_id",
        "document_id",
        "state",
        sqlite_where=_IS_LIVE_CHILD,
        postgresql_where=_IS_LIVE_CHILD,
    ),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("message", Text, nullable=False),
)

# Blobs whose version was dropped. They stay listed until the file is gone, whatever is killed in between.
dropped_blobs = Table(
    "dropped_blobs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("dropped_at", BigInteger, nullable=False),
)

# What is declared of collections; there are others, which only hold documents.
collections = Table(
    "collections",
    metadata,
    Column("name", Text, primary_key=True),
    Column("fields", Text, nullable=False),
    Column("instruction", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# What was measured of a model on this catalog's documents, by the fingerprint of the generation.
calibrations = Table(
    "calibrations",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("strong_score", Double, nullable=False),
    Column("report", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

# At most one row: the index generation that the stored points belong to.
generation = Table(
    "generation",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="only"), primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
