"""A fleet in simulated time, driven by the very autoscaler that runs in the controller. Pure."""
