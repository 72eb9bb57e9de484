"""Who may see what: the only maker of a `telemetry.grants.Grant`."""
