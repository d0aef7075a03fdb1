"""The application as gunicorn serves it."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
# Import every view now, before gunicorn forks: the first requests of a fresh worker come in several
# threads at once, and threads that import the same modules in different orders get them half made.
assert get_resolver().url_patterns
