"""Secrets, cookies, logins, and what a browser is told it may do."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta

from config import env
from config.settings.base import DEBUG, VAR_DIR


def _secret_key() -> str:
    """Return SECRET_KEY, or the one made at the first run and kept, private, in the var folder."""
    given = env.text("SECRET_KEY")
    if given:
        return given
    path = VAR_DIR / "secret_key"
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    with os.fdopen(handle, "w", encoding="ascii") as file:
        key = secrets.token_urlsafe(50)
        file.write(key)
    return key


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

# Behind TLS the cookies and HSTS are switched on together, by one variable.
HTTPS = env.flag("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SESSION_COOKIE_NAME = "__Host-staff" if HTTPS else "staff"
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = int(timedelta(minutes=15).total_seconds())  # idle; PCI DSS 8.2.8
SESSION_SAVE_EVERY_REQUEST = True
CSRF_FAILURE_VIEW = "apps.console.errors.csrf_failed"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Everything from our own origin, nothing inline, nobody may frame us.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 15},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

# By the pair of name and address, so that nobody can lock a colleague out from elsewhere, and by
# name alone at a higher count against guessing from many addresses.
AXES_FAILURE_LIMIT = 5
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_COOLOFF_TIME = timedelta(minutes=30)
AXES_HANDLER = "axes.handlers.database.AxesDatabaseHandler"
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ACCESS_FAILURE_LOG = True
AXES_VERBOSE = False
AXES_IPWARE_PROXY_COUNT = env.number("PROXY_COUNT", 0)
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address"]

AXES_LOCKOUT_CALLABLE = "apps.console.errors.locked_out"
AXES_HTTP_RESPONSE_CODE = 429

OTP_TOTP_ISSUER = "Bezant"

KEY_PROVIDER = env.text("KEY_PROVIDER", "apps.core.crypto.runtime.local_file_provider")
"""The function that returns the keeper of the key encryption keys."""
KEY_FILE = VAR_DIR / "keys" / "master.json"
"""The local key file, made at the first run; a deployment names an HSM or KMS provider instead."""
KEY_FILE_ALLOWED = env.flag(
    "KEY_FILE_ALLOWED", default=DEBUG or env.text("BEZANT_ENVIRONMENT", "sandbox") == "sandbox"
)
