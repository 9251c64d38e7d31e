"""Triggers that keep the audit log and the reviews append-only and the snapshots unchanged."""

from __future__ import annotations

from django.db import migrations

# Core PL/pgSQL only. Statement triggers: even a statement that would touch no row is refused, because the
# attempt itself is the mistake. SQLSTATE 23001 reaches Django as IntegrityError.
FORWARD = """
CREATE FUNCTION registry_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER registry_auditevent_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON registry_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION registry_refuse_change();

CREATE TRIGGER registry_review_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON registry_review
    FOR EACH STATEMENT EXECUTE FUNCTION registry_refuse_change();

CREATE TRIGGER registry_snapshot_unchanged
    BEFORE UPDATE ON registry_snapshot
    FOR EACH STATEMENT EXECUTE FUNCTION registry_refuse_change();
"""

REVERSE = """
DROP TRIGGER registry_snapshot_unchanged ON registry_snapshot;
DROP TRIGGER registry_review_append_only ON registry_review;
DROP TRIGGER registry_auditevent_append_only ON registry_auditevent;
DROP FUNCTION registry_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
