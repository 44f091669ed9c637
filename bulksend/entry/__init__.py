"""How campaigns come to be sent: a sheet is entered in the journal, or a campaign that is there is taken up."""
