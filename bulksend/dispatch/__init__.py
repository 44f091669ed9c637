"""Makes calls at the portal's pace, several requests at once."""
