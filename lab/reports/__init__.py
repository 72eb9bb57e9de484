"""What a pilot found: sealed data, comparison, verdict, report and data package."""
