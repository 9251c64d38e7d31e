"""Numbers that the reading of rotations (OFT, BOFT) did not change go over to the second edition as they are;
those of files that multiply the base's weight, of which something was left out or that could not be measured,
stay in the first and are measured anew.
"""

from django.db import migrations

# A file without changes that multiply the base's weight, of which every module was measured.
_STATISTICS = """
UPDATE registry_analysis AS old
SET edition = '2', data = jsonb_set(data, '{edition}', '"2"')
WHERE edition = '1' AND state = 'done'
  AND data -> 'relative' = '0'::jsonb AND data -> 'left_out_count' = '0'::jsonb
  AND NOT EXISTS (SELECT FROM registry_analysis AS new WHERE new.blob_id = old.blob_id AND new.edition = '2')
"""
_DIFFERENCES = """
UPDATE registry_versiondiff AS old
SET edition = '2', data = jsonb_set(data, '{edition}', '"2"')
WHERE edition = '1' AND state = 'done'
  AND (SELECT count(*) FROM registry_analysis AS told
       WHERE told.blob_id IN (old.old_id, old.new_id) AND told.edition = '2') = 2
  AND NOT EXISTS (SELECT FROM registry_versiondiff AS new
                  WHERE new.old_id = old.old_id AND new.new_id = old.new_id AND new.edition = '2')
"""
# Sketches are compared with one another: those of the files left behind are made anew (`lineage --reindex`).
_SKETCHES = """
DELETE FROM registry_sketch AS sketch
USING registry_analysis AS told
WHERE told.blob_id = sketch.blob_id AND told.edition = '1'
"""
CARRY_OVER = (_STATISTICS, _DIFFERENCES, _SKETCHES)


class Migration(migrations.Migration):
    dependencies = [("registry", "0022_single_files")]

    operations = [migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in CARRY_OVER]
