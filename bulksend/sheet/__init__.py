"""Sheets of messages: reading them, their headings, and writing results beside them. Knows nothing of portals."""
