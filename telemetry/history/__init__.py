"""What was measured, over any span: for charts, as files, and where there is something at all."""
