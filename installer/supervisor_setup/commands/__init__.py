"""The commands: each takes the layout and its options and returns a result; none prints."""
