"""FLT6xx: secrets, and whom the fleet trusts."""
