"""Names that programs outside of fleet may know."""
