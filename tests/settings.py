"""Settings of the tests: a throw-away PostgreSQL, and a folder that is deleted with it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Set by the first process of a run and inherited by its xdist workers. When the tests run as root another
# account runs the server, so the folder cannot keep mkdtemp's private permissions.
if "TEST_RUN_DIR" not in os.environ:
    _folder = Path(tempfile.mkdtemp(prefix=f"kura-test-{os.getpid()}-"))
    _folder.chmod(0o711)
    os.environ["TEST_RUN_DIR"] = str(_folder)
TEST_RUN_DIR = Path(os.environ["TEST_RUN_DIR"])

# Nothing of the developer's own set-up may reach the tests.
for _name in (
    *("DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "VAR_DIR", "DEBUG", "HTTPS"),
    *("CIVITAI_TOKEN", "HF_TOKEN", *(name for name in os.environ if name.startswith("UPSTREAM_"))),
):
    os.environ.pop(_name, None)
    os.environ.pop(f"{_name}_FILE", None)
os.environ["VAR_DIR"] = str(TEST_RUN_DIR)
os.environ["SECRET_KEY"] = "only-for-tests-" + "0123456789" * 4
os.environ["HF_HUB_OFFLINE"] = "1"
# Each test has a server of its own; the tests of shared budgets turn them on.
os.environ["UPSTREAM_SHARED_BUDGETS"] = "false"

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, STORAGES  # noqa: E402

DATABASES["default"]["CLUSTER"] = {
    "folder": TEST_RUN_DIR / "postgres",
    "bin": os.environ.get("POSTGRES_BIN", ""),
    "durable": False,
}
DATABASES["default"]["CONN_MAX_AGE"] = 0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = False
WHITENOISE_AUTOREFRESH = True
CELERY_TASK_ALWAYS_EAGER = False
UPSTREAM_BACKOFF_SECONDS = 0.02
