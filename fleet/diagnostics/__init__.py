"""Findings about a file, and how they are shown. Knows nothing of queues or workers."""

from __future__ import annotations

from fleet.diagnostics.model import Diagnostic, Edit, Fix, Related, Severity, Span

__all__ = ["Diagnostic", "Edit", "Fix", "Related", "Severity", "Span"]
