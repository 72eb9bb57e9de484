"""What leaves the house: mail and signed webhooks, always through the job table, never inside a request."""
