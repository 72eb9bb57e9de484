"""Who may use what and when: the calendar, its rules and prices."""
