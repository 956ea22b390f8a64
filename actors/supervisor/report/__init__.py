"""The report of a run: one HTML file that needs nothing else."""

from actors.supervisor.report.document import build_document
from actors.supervisor.report.page import render_page, write_report

__all__ = ["build_document", "render_page", "write_report"]
