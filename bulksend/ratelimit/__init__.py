"""How fast calls may leave: the request rate, the portal's bucket and its execution-time limit."""
