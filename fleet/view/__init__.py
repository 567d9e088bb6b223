"""`fleet view`: how many workers each group needs, for a scaler that asks over HTTP. Reads; changes nothing."""
