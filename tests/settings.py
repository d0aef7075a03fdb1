"""The settings of a test run: the project's own, pointed at the run's var folder and database.

The first process of a run makes the folder; its workers and their children find it in the environment.
"""

import os
from pathlib import Path

from tests.database import begin_run, cluster_in, environment

if "BEZANT_TEST_RUN" not in os.environ:
    os.environ["BEZANT_TEST_RUN"] = str(begin_run())

RUN_DIR = Path(os.environ["BEZANT_TEST_RUN"])
TEST_DATABASE = f"bezant_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
os.environ["BEZANT_VAR"] = str(RUN_DIR)
os.environ |= environment(cluster_in(RUN_DIR), database=TEST_DATABASE)

from config.settings import *  # noqa: E402, F403

# The programs that tests start (manage.py, workers) use the project's own settings, steered by the above.
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# `collectstatic` makes it in a deployment; WhiteNoise warns where it is missing.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
