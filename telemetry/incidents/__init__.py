"""What is missing in the record, or was repaired, and exactly since when."""
