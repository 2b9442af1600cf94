"""Phrases that fit any case, and the words that are filled in."""

from __future__ import annotations

# "{first}" is the requester's first name. In other languages the openings greet by themselves.
GREETINGS = (
    "Hello,",
    "Hi,",
    "Hello Greenlatch team,",
    "Good morning,",
    "Dear support,",
    "Hi there,",
)
CLOSINGS = (
    "Thank you!",
    "Many thanks in advance.",
    "Best regards",
    "Kind regards",
    "Thanks a lot for your help.",
    "Have a good day.",
)
AGENT_GREETINGS = (
    "Hello {first},",
    "Hi {first},",
    "Good day {first},",
    "Thank you for writing, {first}.",
)
REMINDERS = (
    "Did you have time to look at it? If we hear nothing, we close this for now, and an answer "
    "opens it again.",
    "Is there anything else that we can do? I keep this open for some more days.",
)
GIVEN_UP = (
    "As we have not heard from you, I take it that all is well. An answer opens this again.",
    "I close this for now. Please answer here whenever it comes up again.",
)
THANKS = (
    "Wonderful, that works. Thank you for the quick help!",
    "Great, thank you very much.",
    "All is well again. We are happy with it.",
    "Thanks, that was it.",
)
AGAIN = (
    "Sorry to come back to this: it was fine for two days, and now it is the same as before.",
    "It has come back, I am afraid. What else can we try?",
    "One more question about this: does the guarantee cover it next year, too?",
)
WAITING = (
    "Is there any news about this?",
    "May I ask how far you are? We would like to plan the week.",
)
CALLED = (
    "Called the customer: they can wait until Thursday.",
    "Looked into the shop: the order is fine and paid.",
    "Talked about it in the morning round, we do it as last time.",
    "Customer for four years, let us be generous here.",
)
CANCELLED = (
    "Same request as yesterday's, goes on there.",
    "Advertising, no request.",
    "Customer called: it has settled itself.",
)

PRODUCTS = ("Nook", "Nook", "Nook", "Alcove", "Alcove", "Atrium")
PARTS = (
    *("filter mat", "float switch", "drip tray", "reflector", "hose clamp", "water tray", "hinge"),
    *("power box", "mist nozzle", "lamp holder", "door seal", "level sensor", "air stone"),
    *("overflow valve", "cable duct", "impeller", "shelf bracket", "check valve", "rubber foot"),
    *("coupling", "thermostat", "gasket", "siphon", "fuse holder", "feeding pump", "seed rack"),
)
ROOMS = (
    *("kitchen", "living room", "office", "staff room", "lobby", "restaurant", "canteen"),
    *("hall", "winter garden", "classroom", "bakery", "bar", "waiting room", "studio"),
)
