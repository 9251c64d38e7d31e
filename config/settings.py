"""All settings of Kura; every value comes from an environment variable (docs/configuration.md lists them)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from config.broker import celery_settings
from config.env import (
    database_from_url,
    env_bool,
    env_choice,
    env_choices,
    env_int,
    env_list,
    env_path,
    env_secret,
    env_str,
)
from config.secret_key import load_secret_key
from config.upstreams import per_host_numbers, upstream_tokens, upstream_user_agent

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = env_path("VAR_DIR", BASE_DIR / "var")

# --- Who may talk to us -------------------------------------------------------------------------------------

DEBUG = env_bool("DEBUG", False)
SECRET_KEY = load_secret_key(env_secret("SECRET_KEY"), VAR_DIR / "secret_key")
HUB_HOSTS = env_list("HUB_HOSTS")
CIVITAI_HOSTS = env_list("CIVITAI_HOSTS")
ALLOWED_HOSTS = [*env_list("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]")), *HUB_HOSTS, *CIVITAI_HOSTS]
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
REQUIRE_LOGIN = env_bool("REQUIRE_LOGIN", False)

# HTTPS=true is for a site behind a TLS proxy; without it cookies must work over plain http on 127.0.0.1.
HTTPS = env_bool("HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = env_int("HSTS_SECONDS", 0, minimum=0)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env_bool("BEHIND_PROXY", False) else None
USE_X_FORWARDED_HOST = SECURE_PROXY_SSL_HEADER is not None
# Whether the subdomains speak https, and whether browsers ship with the name, is not for this site to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
# Health checks of a load balancer come by plain http; the redirect to https would fail them.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]

# --- Applications -------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    # Its pages are found with the addresses (config/urls.py); commands and workers start sooner without.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    # Before staticfiles, so that runserver serves static files the way production does.
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django_filters",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "registry",
    "inference",
    "catalog",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "pages:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Database -----------------------------------------------------------------------------------------------

DATABASE_URL = env_secret("DATABASE_URL")
POSTGRES_BIN = env_str("POSTGRES_BIN")
DATABASES: dict[str, dict[str, Any]] = {
    "default": database_from_url(DATABASE_URL)
    if DATABASE_URL
    else {
        "ENGINE": "config.postgres",
        "NAME": "kura",
        "USER": "kura",
        "CLUSTER": {"folder": VAR_DIR / "postgres", "bin": POSTGRES_BIN, "durable": True},
    }
}
# A connection lives as long as its thread has work; a dead one is noticed before it is used again.
DATABASES["default"]["CONN_MAX_AGE"] = env_int("DATABASE_CONN_MAX_AGE", 60, minimum=0)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# --- Jobs ---------------------------------------------------------------------------------------------------

JOB_LEASE_SECONDS = env_int("JOB_LEASE_SECONDS", 60, minimum=3)
JOB_REAP_SECONDS = env_int("JOB_REAP_SECONDS", 5, minimum=1)
JOB_HISTORY_DAYS = env_int("JOB_HISTORY_DAYS", 90, minimum=0)

# --- Rendering ----------------------------------------------------------------------------------------------

# Threads torch may use in this process; 0 leaves its own choice, all cores. Part of every cell's key.
INFERENCE_THREADS = env_int("INFERENCE_THREADS", 0, minimum=0)
# Memory for the bases a worker keeps loaded; 0 takes half of the card's, or of the machine's without a card.
INFERENCE_BASES_MB = env_int("INFERENCE_BASES_MB", 0, minimum=0)
# How often a sheet is tried before it is failed with the reason: a worker that dies over it counts as well.
SHEET_TRIES = env_int("SHEET_TRIES", 3, minimum=1, maximum=20)
# Sheets that nobody asks for: of which families (none named: all that can be rendered) and states of vetting.
SHEETS_AUTOMATIC = env_bool("SHEETS_AUTOMATIC", True)
SHEETS_FAMILIES = env_list("SHEETS_FAMILIES")
SHEETS_VETTING = env_choices(
    "SHEETS_VETTING",
    ("waiting", "approved"),
    ("waiting", "approved", "rejected", "quarantined", "withdrawn"),
)
SHEETS_PER_DAY = env_int("SHEETS_PER_DAY", 0, minimum=0)
SHEETS_QUEUE = env_int("SHEETS_QUEUE", 200, minimum=1)
# A hand detector in ONNX, for the crops that reviewers look at; none: the crops are guessed.
HAND_DETECTOR = str(env_path("HAND_DETECTOR", Path())) if env_str("HAND_DETECTOR") else ""
# What one process that reads a foreign pickle or two checkpoints may take.
CONVERTER_MEMORY_MB = env_int("CONVERTER_MEMORY_MB", 4096, minimum=512)
CONVERTER_SECONDS = env_int("CONVERTER_SECONDS", 1800, minimum=1)
CONVERTER_FILE_MB = env_int("CONVERTER_FILE_MB", 16_384, minimum=1)

# --- Files --------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = env_path("STATIC_DIR", VAR_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"] if (BASE_DIR / "static").is_dir() else []
# An image is built with `collectstatic`; a checkout serves straight from the source folders.
STATIC_COLLECTED = env_bool("STATIC_COLLECTED", False)
WHITENOISE_USE_FINDERS = not STATIC_COLLECTED

STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": VAR_DIR / "media"},
    },
    "blobs": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": env_path("BLOBS_DIR", VAR_DIR / "blobs")},
    },
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage",
    },
}

# Who sends a file's bytes: this process, nginx by X-Accel-Redirect, or the storage by a signed address.
DOWNLOAD_BACKEND = env_choice("DOWNLOAD_BACKEND", "internal", ("internal", "xaccel", "redirect"))
XACCEL_PREFIX = env_str("XACCEL_PREFIX", "/protected-blobs/")

# A longer header of a weights file is not read: real ones have a few MB, and reading takes memory.
HEADER_LIMIT = env_int("HEADER_LIMIT_MB", 32, minimum=1, maximum=100) * 1024 * 1024

# --- Upstreams ----------------------------------------------------------------------------------------------

# `HOST` (the scheme's port), `*.HOST` (its subdomains), `HOST:PORT`, `HOST:*`.
UPSTREAM_HOSTS = env_list(
    "UPSTREAM_HOSTS",
    (
        *("civitai.com", "civitai.red", "civitai.green", "*.civitai.com", "*.civitai.red", "*.civitai.green"),
        *("huggingface.co", "*.huggingface.co", "hf.co"),
    ),
)
# Where upstreams keep their files: redirects may lead there, and no token goes there.
UPSTREAM_FILE_HOSTS = env_list(
    "UPSTREAM_FILE_HOSTS", ("*.r2.cloudflarestorage.com", "*.backblazeb2.com", "*.hf.co")
)
# Machines of one's own: another Kura in the LAN, a mirror. May have private addresses and plain http.
UPSTREAM_PRIVATE_HOSTS = env_list("UPSTREAM_PRIVATE_HOSTS")
# The API that is asked for what is on Civitai, and the hosts whose addresses mean the same site.
CIVITAI_API = env_str("CIVITAI_API", "https://civitai.com/api/v1")
CIVITAI_SITES = env_list("CIVITAI_SITES", ("civitai.com", "civitai.red", "civitai.green"))
# The Hub, or a mirror of it; huggingface_hub reads the same variable. A mirror is allowed above, and gets
# no token unless UPSTREAM_TOKENS names it.
HF_ENDPOINT = env_str("HF_ENDPOINT", "https://huggingface.co")
UPSTREAM_TOKENS = upstream_tokens(
    env_secret("UPSTREAM_TOKENS"),
    civitai=(env_secret("CIVITAI_TOKEN"), ("civitai.com", "civitai.red", "civitai.green")),
    hub=(env_secret("HF_TOKEN"), ("huggingface.co",)),
)
UPSTREAM_USER_AGENT = upstream_user_agent("0.1.0", env_str("UPSTREAM_CONTACT"))
UPSTREAM_CONNECT_SECONDS = env_int("UPSTREAM_CONNECT_SECONDS", 10, minimum=1)
UPSTREAM_READ_SECONDS = env_int("UPSTREAM_READ_SECONDS", 30, minimum=1)
UPSTREAM_TOTAL_SECONDS = env_int("UPSTREAM_TOTAL_SECONDS", 120, minimum=1)
UPSTREAM_LEAST_KB_PER_SECOND = env_int("UPSTREAM_LEAST_KB_PER_SECOND", 4, minimum=0)
UPSTREAM_TRIES = env_int("UPSTREAM_TRIES", 5, minimum=1, maximum=20)
# The first pause may take up to this, each further one up to twice as much as the one before.
UPSTREAM_BACKOFF_SECONDS: float = env_int("UPSTREAM_BACKOFF_SECONDS", 1, minimum=1)
# A longer pause is not sat out: the request fails with rate_limited, and its job comes back later.
UPSTREAM_LONGEST_WAIT_SECONDS = env_int("UPSTREAM_LONGEST_WAIT_SECONDS", 60, minimum=0)
UPSTREAM_ANSWER_MB = env_int("UPSTREAM_ANSWER_MB", 64, minimum=1)
UPSTREAM_FILE_GB = env_int("UPSTREAM_FILE_GB", 20, minimum=1)
UPSTREAM_CA_BUNDLE = env_str("UPSTREAM_CA_BUNDLE")
# Shared by all processes through the database; private hosts have no budget unless named here.
UPSTREAM_CONCURRENCY = env_int("UPSTREAM_CONCURRENCY", 4, minimum=1, maximum=64)
UPSTREAM_REQUESTS_PER_MINUTE = env_int("UPSTREAM_REQUESTS_PER_MINUTE", 120, minimum=1)
UPSTREAM_HOST_REQUESTS_PER_MINUTE = per_host_numbers(
    "UPSTREAM_HOST_REQUESTS_PER_MINUTE", env_list("UPSTREAM_HOST_REQUESTS_PER_MINUTE")
)
UPSTREAM_SHARED_BUDGETS = env_bool("UPSTREAM_SHARED_BUDGETS", True)
UPSTREAM_REMEMBER_REFUSALS_SECONDS = env_int("UPSTREAM_REMEMBER_REFUSALS_SECONDS", 3600, minimum=0)

# --- Vetting ------------------------------------------------------------------------------------------------

# A file whose terms forbid this act is not handed out, however well it is vetted.
DOWNLOAD_ACT = env_str("DOWNLOAD_ACT", "use_privately")

# A question to an author that has waited so long without a reply is listed for a reminder.
QUESTION_REMIND_DAYS = env_int("QUESTION_REMIND_DAYS", 7, minimum=1, maximum=365)

# --- What is fetched ----------------------------------------------------------------------------------------

# A subscription may have a policy of its own (registry/triage.py); these are the house's.
TRIAGE_FAMILIES = env_list("TRIAGE_FAMILIES")
TERMS_REREAD_DAYS = env_int("TERMS_REREAD_DAYS", 30, minimum=1)
TRIAGE_LARGEST_MB = env_int("TRIAGE_LARGEST_MB", 4096, minimum=0)
TRIAGE_ACTS = env_list("TRIAGE_ACTS", (DOWNLOAD_ACT,))
TRIAGE_FORMATS = env_list("TRIAGE_FORMATS", ("safetensors", "pickle"))
TRIAGE_READ_HEADER = env_bool("TRIAGE_READ_HEADER", True)
SAMPLES_PER_VERSION = env_int("SAMPLES_PER_VERSION", 6, minimum=0, maximum=24)

# --- Language and time --------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ja", _("Japanese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env_str("TIME_ZONE", "UTC")

# --- Programming interface ----------------------------------------------------------------------------------

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["catalog.api.parsing.StorableJSONParser"],
    # The first one names the scheme of a 401: programs are asked for a bearer token.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "catalog.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["catalog.api.permissions.ReadUnlessLoginRequired"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "catalog.api.negotiation.AlwaysJSON",
    "EXCEPTION_HANDLER": "catalog.api.problems.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Kura",
    "DESCRIPTION": "License-aware catalog of LoRA adapters.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["catalog.api.permissions.ReadUnlessLoginRequired"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # The pages of the interface come from here, never from somebody else's server.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_COERCE_PATH_PK_SUFFIX": True,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "catalog.api.schema.with_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "OutcomeEnum": "catalog.search.query.OUTCOMES",
        "VettingEnum": "registry.models.adapters.Vetting",
        "SourceEnum": "registry.models.adapters.Source",
        "FileStateEnum": "registry.models.files.FileState",
        "JobStateEnum": "registry.models.jobs.JobState",
        "TransferStateEnum": "registry.models.transfers.TransferState",
        "SheetStateEnum": "inference.models.SheetState",
        "ReviewActionEnum": "registry.models.vetting.ReviewAction",
        "AvailabilityEnum": "registry.models.adapters.Availability",
        "OfferStateEnum": "registry.models.offers.OfferState",
        "SubscriptionKindEnum": "registry.models.subscriptions.SubscriptionKind",
        "SyncRunStateEnum": "registry.models.sync_runs.RunState",
    },
}

# --- Celery: a message only wakes a worker, so nothing is lost with a message -------------------------------

globals().update(celery_settings(env_secret("CELERY_BROKER_URL", "filesystem://"), VAR_DIR / "broker"))

# --- Logging ------------------------------------------------------------------------------------------------

LOG_LEVEL = env_choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "redact": {"()": "config.logs.RedactSecrets", "secrets": [SECRET_KEY, *UPSTREAM_TOKENS.values()]}
    },
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        # Standard error: standard output belongs to what a command answers.
        "console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["redact"]},
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        # They log whole addresses, and signed ones are as good as passwords.
        **{name: {"level": "WARNING"} for name in ("httpx2", "httpcore2", "urllib3", "huggingface_hub")},
    },
}
