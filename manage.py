#!/usr/bin/env python
"""Every command of the platform: `python manage.py help`."""

import os
import sys
from pathlib import Path

from config.lent import borrow

if __name__ == "__main__":
    borrow(Path(os.environ.get("BEZANT_VAR", Path(__file__).parent / "var")))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
