"""SLA policies, calendars and business time. Knows no ticket."""
