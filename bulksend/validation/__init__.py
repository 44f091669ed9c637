"""Checking the rows of a sheet before anything is sent. Knows nothing of portals."""

from bulksend.validation.checks import Checked, Checker, FindsChats
from bulksend.validation.report import Problem, Report

__all__ = ["Checked", "Checker", "FindsChats", "Problem", "Report"]
