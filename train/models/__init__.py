"""The networks of both papers and those they are compared with."""
