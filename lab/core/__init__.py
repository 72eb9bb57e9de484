"""Ground floor: errors, time, settings, database, jobs, logs and the MQTT connection."""
