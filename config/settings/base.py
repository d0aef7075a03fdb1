"""The project: its folders, its apps, the order of its middleware."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from apps.core import logs
from config import env

BASE_DIR = Path(__file__).resolve().parents[2]
VAR_DIR = Path(os.environ.get("BEZANT_VAR", BASE_DIR / "var"))
"""What the running platform writes: keys, files for banks, logs, the local database."""

# The platform's processes count into files of this folder; /metrics adds them up. Prometheus' client reads
# the variable when it is imported, so it is set here, before anything that counts. A command that a person
# runs counts for itself: its figures end with it.
METRICS_DIR = VAR_DIR / "metrics"
if Path(sys.argv[0]).name in ("gunicorn", "celery") or "run_relay" in sys.argv[1:2]:
    METRICS_DIR.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(METRICS_DIR))
METRICS_TOKEN = env.text("METRICS_TOKEN")
"""What a Prometheus on another machine sends as its bearer token; unset, only this machine may ask."""

DEBUG = env.flag("DEBUG", default=False)
ENVIRONMENT = env.text("BEZANT_ENVIRONMENT", "sandbox")
"""The word shown in the console's header: sandbox, staging or live."""

INSTALLED_APPS = [
    "apps.core",
    "apps.compliance",
    "apps.ledger",
    "apps.accounts",
    "apps.authz",
    "apps.payments",
    "apps.webhooks",
    "apps.reconciliation",
    "apps.console",
    "apps.simulator",
    "config.composition.CompositionConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "axes",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
]
# An app that is not built yet is left out, so that each state of the project can run.
INSTALLED_APPS = [
    name
    for name in INSTALLED_APPS
    if not name.startswith("apps.") or (BASE_DIR / name.replace(".", "/") / "apps.py").exists()
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.core.logs.correlation_middleware",
    "apps.core.http.headers.security_headers",
    "apps.core.http.limits.rate_limits",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
# Served by WhiteNoise straight from the folders above: nothing to collect before the first run.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000

LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logs.configure(level=env.text("LOG_LEVEL", "INFO"))
