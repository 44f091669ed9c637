"""Lets calls leave at the portal's pace, several requests at once, and hands their outcomes to whoever made them."""
