"""Rendering a page of the console that is no list of a table."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template.response import TemplateResponse

from apps.console.site import SITE


def page(request: HttpRequest, template: str, *, title: str, **context: Any) -> TemplateResponse:
    """Render a template inside the site's frame."""
    return TemplateResponse(request, template, {**SITE.each_context(request), "title": title, **context})
