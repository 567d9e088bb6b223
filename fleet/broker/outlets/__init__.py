"""How a Producer speaks to each kind of broker."""
