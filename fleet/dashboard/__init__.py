"""The web page of a fleet: a supervised process of its own, a client of the controller's socket and of the broker."""
