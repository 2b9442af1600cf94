"""What stands in the articles of the invented company."""

from __future__ import annotations

from dataclasses import dataclass

CATEGORIES = {
    "Getting started": "From the box to the first salad.",
    "Water and pump": "Filling, cleaning, and what to do when nothing flows.",
    "Light and app": "The lamp, its hours, and the app that sets them.",
    "Orders and subscription": "Parcels, invoices, the Seedbox.",
}


@dataclass(frozen=True, slots=True)
class Sketch:
    """An article as it was written."""

    category: str
    title: str
    summary: str
    body: str
    is_for_agents: bool = False
    is_draft: bool = False


ARTICLES = (
    Sketch(
        "Getting started",
        "How do I set up my garden?",
        "Unpack, fill, plant: half an hour, and no tools for the Nook and the Alcove.",
        """
You need a flat place, a socket within two metres, and tap water. A Nook takes twenty minutes, an
Alcove forty. An Atrium is put up by us.

## Before you plug it in

1. Take out the two cardboard wedges **behind the reservoir**. With them in place the pump hums
   and moves nothing.
2. Rinse the reservoir once with clear water.
3. Hang the lamp in the upper notch. You lower it later, when the plants are in.

## Fill it

Pour in water up to the green line, then add one cap of nutrient for each litre. Lukewarm water is
fine, warm water is not: above 25 °C roots get too little air.

| garden | water | nutrient | pods |
|---|--:|--:|--:|
| Nook | 4 l | 4 caps | 6 |
| Alcove | 18 l | 18 caps | 24 |
| Atrium | 60 l | by the dosing unit | 96 |

## Plant and wait

Put one pod into each opening, label up, and press until it clicks. Cress shows after three days,
basil after a week, peppers take up to three weeks.

> Leave the transparent hoods on until the first leaves touch them. They keep the pods moist.

If nothing shows after the time on the pod's label, [tell us](/tickets/new): we replace pods that
do not sprout.
""",
    ),
    Sketch(
        "Getting started",
        "Which plants grow well together?",
        "Pair what likes the same amount of light and food.",
        """
Plants that share a reservoir share their food. Three groups get on well:

- **Salads and cress** like it cool and need little food. Harvest from week four.
- **Herbs** such as basil, parsley and mint need twice as much. Mint spreads, so give it the corner.
- **Fruit** such as peppers and small tomatoes is hungry, and wants the lamp on for 16 hours.

Mix the first two if you like. Keep fruit by itself, or your salad turns bitter.

### How far apart?

In a Nook leave one opening free between two tomatoes. In an Alcove use every second row for them.
""",
    ),
    Sketch(
        "Water and pump",
        "The pump hums but moves no water",
        "Nearly always air or lime in the pump. Both are gone in ten minutes.",
        """
A pump that hums is alive. Something keeps the water from it: air, lime, or a root.

## Let the air out

1. Pull the plug and wait for a minute.
2. Fill the reservoir to the green line. Below the red line the pump draws air.
3. Tilt the garden gently to the left until you see bubbles rise.
4. Plug it in again. It gurgles for up to two minutes, then it runs.

## Take the lime off

Look at the small wheel below the pump's lid. If it is white, put the pump into warm water with a
spoonful of citric acid for half an hour, then rinse it.

> Use citric acid and never vinegar: vinegar makes the seal brittle.

## Look for roots

Old plants send roots into the tube. Pull the tube off, hold it against the light and push a
cooking spoon's handle through.

## What the app says

If the app shows one of these codes, it knows more:

| code | what it means | what to do |
|---|---|---|
| `P-01` | runs dry | fill up to the green line |
| `P-02` | turns too slowly | take the lime off |
| `P-07` | does not turn at all | [ask for a new pump](/tickets/new), it is in the guarantee |
""",
    ),
    Sketch(
        "Water and pump",
        "How do I clean the reservoir?",
        "Every eight weeks, and whenever the water smells.",
        """
Clean water keeps roots white. Plan a quarter of an hour every eight weeks.

1. Take out the plants with their holders and stand them in a bowl of water.
2. Drain the reservoir through the hose at the back.
3. Wipe it with a soft cloth and *one* spoonful of citric acid in a litre of water.
4. Rinse twice, fill up, add nutrient.

Dishwasher tablets, bleach and soap stay in the material, and your plants taste of them.
""",
    ),
    Sketch(
        "Water and pump",
        "There is water below my garden",
        "First pull the plug. Then find out whether it is a leak or only condensation.",
        """
**Pull the plug first.** Then dry everything and put a sheet of kitchen paper below each corner.

- Paper wet *at the back*: the hose has slipped. Push it on until it clicks.
- Paper wet *in the middle*: the seal of the pump. Stop using the garden and
  [open a ticket](/tickets/new), with a picture if you can. Seals are replaced at no cost.
- Paper damp *everywhere*: condensation. Move the garden away from the window, and leave two
  centimetres between its back and the wall.
""",
    ),
    Sketch(
        "Light and app",
        "Change the hours of the light",
        "In the app or with the button on the lamp; plants want eight dark hours.",
        """
## In the app

Open *Garden › Light* and move both ends of the bar. The lamp follows within a minute. If the bar
is grey, the garden is not connected: see below.

## With the button

Press the button for five seconds. From then on the light is on for 16 hours a day, beginning now.

## After the clocks change

Gardens with firmware 2.4 and newer follow by themselves. Older ones are an hour off until they
were connected once. *Garden › About* shows the firmware.

## The garden is not connected

1. Stand next to it with your phone.
2. Press the button three times: the lamp blinks blue.
3. Choose your network. Gardens see networks of **2.4 GHz** only.

If your router gives both bands one name, switch 5 GHz off for that minute.
""",
    ),
    Sketch(
        "Light and app",
        "I cannot sign in to the app",
        "A new password takes two minutes, and the mail sometimes lands among the spam.",
        """
Tap *Forgotten?* below the password and enter the address of your order. The link in the mail is
good for one hour.

No mail after ten minutes?

- Look among the spam for `no-reply@demo.example`.
- Try the other address. A quarter of all orders are placed with one that people forgot.
- If you have changed your address, [tell us both](/tickets/new). We move the account.
""",
    ),
    Sketch(
        "Orders and subscription",
        "Pause, change or end the Seedbox",
        "Whenever you like, up to two days before the next parcel.",
        """
The Seedbox comes every six weeks. Under *Account › Seedbox* in the app you can

- **pause** it for up to six months; it goes on by itself,
- **change** what is in it: herbs, salads, or a surprise,
- **end** it. There is no notice period, and what you have paid for still comes.

Changes up to two days before the parcel count for that parcel. Later ones count for the next.
""",
    ),
    Sketch(
        "Orders and subscription",
        "Where is my invoice?",
        "In the mail that said your parcel is on its way, and in the app.",
        """
Each invoice is a PDF in the mail *Your parcel is on its way*. All of them are in the app under
*Account › Orders*.

For another address on an invoice, or a VAT number, reply to that mail **within 30 days**. After
that we may not change it any more, and send a correction in its place.
""",
    ),
    Sketch(
        "Orders and subscription",
        "How long does a refund take?",
        "Five working days from when we have the parcel, longer for credit cards.",
        """
We send the money back the way it came, within five working days from the arrival of your parcel.

| paid by | on your account after |
|---|--:|
| bank transfer | 1 to 2 days |
| direct debit | 2 to 3 days |
| credit card | up to 14 days |

Nothing yet? [Ask us](/tickets/new) and name the order number.
""",
        is_draft=True,
    ),
    Sketch(
        "Water and pump",
        "Pumps with the weak bearing: when to replace at once",
        "For us: which serial numbers get a new pump without another question.",
        """
Pumps built from March to June have a weak bearing. **Replace without asking for a return** where

1. the serial number begins with `NK-23` or `AL-23`, and
2. the customer has taken the lime off already, or the app shows `P-07`.

Use the macro *Replacement is on its way*. Tag the ticket `warranty`, so that the supplier can be
charged.

Outside of these numbers, ask for a picture of the wheel first.
""",
        is_for_agents=True,
    ),
)
