"""The door: commands parse, call one function and print."""
