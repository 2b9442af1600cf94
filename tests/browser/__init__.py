"""The same journeys as people take them: a real Chromium against the whole product."""
