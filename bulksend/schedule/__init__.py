"""When messages may leave: times, windows and zones, as plain calculations without a clock of their own."""
