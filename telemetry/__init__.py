"""What machines said: recorder, spool, stores, queries and live streams."""
