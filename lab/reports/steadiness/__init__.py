"""How steady a process is: capability, control charts, what machines spent their time on, ISO 22400."""
