"""How fast the chain is here, beside a naive one and other libraries, for crowds and large images."""
