"""Checking the rows of a sheet before anything is sent. Knows nothing of portals."""

from bulksend.validation.checks import LEFT_OUT, LOOKUP_CODES, Checked, Checker, FindsChats
from bulksend.validation.report import Problem, Report

__all__ = ["LEFT_OUT", "LOOKUP_CODES", "Checked", "Checker", "FindsChats", "Problem", "Report"]
