"""Checks of [[schedules]]."""
