"""Sends the open rows of a campaign: nothing twice, nothing lost, in order within each chat."""
