"""What the customers of an invented company write, and what its agents answer.

Greenlatch makes gardens for indoors: the Nook for a kitchen counter, the Alcove as a cabinet and
the Atrium as a wall for restaurants and offices; with an app and seeds by subscription.

`_BOOK` is written for people. A case begins with ``# category/subcategory [language] weight tags``;
then each line begins with a letter and goes on where the next is indented: Subject, Opening and
Details of the description, what the agent Asks, what the Customer answers, the agent's Reply that
solves it, and internal Notes. Words in braces are filled in by `stories`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from app.demo.cases_abroad import BOOK


@dataclass(slots=True)
class Case:
    """A kind of request; each list has at least one text, ``language`` is theirs."""

    category: str
    subcategory: str
    language: str
    weight: float
    tags: list[str]
    subjects: list[str] = field(default_factory=list)
    openings: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    asks: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


_LISTS = {
    "S": "subjects",
    "O": "openings",
    "D": "details",
    "A": "asks",
    "C": "answers",
    "R": "replies",
    "N": "notes",
}

_BOOK = """
# technical/pump en 9 pump, hardware
S Pump of the {product} hums but moves no water
S No water reaches the upper shelf of our {product}
S {product}: pump stops after a few minutes
O Since {day} the pump of our {product} in the {room} hums, but the {part} stays dry.
O The {product} in the {room} worked well for months. Now the pump starts, runs for a minute or
  two and then goes quiet.
D I have rinsed the reservoir and the filter mat as the booklet says, and it made no difference.
D The app shows {code} and asks me to check the {part}.
D The plants on the upper shelf begin to hang their heads, so a quick hint would help us a lot.
D There is a rattling sound from somewhere near the {part}.
A Could you take the {part} out, hold it under warm water for a minute and look for a thin white
  crust on it? A picture of it would help me to choose the right spare part.
A Which firmware does the app show for your {product}, and how hard is the water in {city}?
C I did that. There was a crust indeed, and after cleaning it runs, but not for longer than ten
  minutes.
C The firmware is {version}. The water here is rather hard, about 20 degrees.
R I am sending you a new pump with a {part} today, at no cost. Changing it takes five minutes and
  no tools; page 14 of the booklet shows it. Please put a spoon of citric acid into the reservoir
  every month, then the new one will last.
R Thank you for trying. That pump is from a series with a weak bearing, so we replace it. The
  parcel leaves us tomorrow, and you can keep the old one.
N Serial number is within the series with the weak bearing, replacement without asking for return.
N Lime scale again. {city} is on the list of hard water, we might add acid to the first parcel.

# technical/light en 8 lamp, hardware
S Half of the lamp stays dark
S Lamp flickers in the evening ({product})
S Light goes on at the wrong time
O The left half of the lamp in our {product} has been dark since {day}.
O Every evening at about nine the lamp of the {product} flickers for some minutes, then it is fine.
O Our {product} switches its light on at four in the morning, in spite of what the app says.
D It hangs in the {room}, and nobody has touched the {part}.
D I have unplugged it over night and set the schedule again.
D My neighbour says it can be seen across the street, which is why I write.
A Could you open the app, go to Light and then Diary, and send me a picture of what it shows for
  the last two days?
A Does it also happen if you turn the {part} a little while the lamp is on? Please mind that it
  may be warm.
C Here is what the diary shows. It says "schedule kept" all the time, which is not what we see.
C Yes, when I press gently on the {part} the other half lights up for a moment.
R That is a loose contact in the {part}. I have put a new lamp into the post; it clicks in without
  tools. Please recycle the old one with electronics.
R The clock of your {product} was in another time zone. I have set it to the one of {city}, and the
  schedule is kept from tonight on.
N Time zone was UTC since the last firmware. Told the firmware people, they know about it.
N Third lamp from the spring delivery this month.

# technical/leak en 6 leak, hardware
S Water under the {product}
S Our {product} leaks at the {part}
O This morning there was a puddle under the {product} in our {room}.
O We find a few drops of water below the {part} each day.
D The floor is wood, so we have moved it onto a tray for now.
D It began after we changed the {part} on {day}.
D The level sensor still says that everything is fine.
A Please dry the {part} with paper and fill the reservoir to the lower mark only. Is it dry
  underneath two hours later?
A Could you send a picture of the seal, seen from the front? It has a small arrow that must point
  upwards.
C Dry for an hour, then a drop every minute or so. It comes from the left corner.
C The arrow pointed sideways! I have turned it and wait until tomorrow.
R The seal has a cut in its left corner. A new one and a pair of gloves are on their way; until
  then please keep the water below the lower mark.
R Glad to hear that it is dry again. I have noted it for the next edition of the booklet, you are
  not the first one who met that arrow.
N If the floor is damaged, hand over to Business care: they know the insurance forms.

# technical/sensor en 6 sensor, hardware
S Level sensor says empty though the tank is full
S {code} on the display of our {product}
S Wrong temperature in the app
O The display of our {product} shows {code}, and the reservoir is full to the upper mark.
O According to the app it is 41 degrees in our {room}. It is not, fortunately.
D I have cleaned the {part} with a soft cloth, as the help page says.
D After a restart it is right for some minutes.
D It is the second time this year.
A Could you hold a finger on the {part} for ten seconds and tell me whether the number moves?
A Please send me the diary: in the app under Garden, then Diary, then Share.
C The number moves, but very slowly. The diary is attached.
C Nothing moves at all. It says {code} again.
R The {part} has reached the end of its life after some years in water. A new one is in the post,
  and the app will ask you to calibrate it once.
R Firmware {version} filters such jumps. I have offered it to your {product}, it installs itself
  tonight when the lamp is off.
N Sensor of the first generation. Replace, don't calibrate.

# technical/connection en 8 app, wifi
S {product} is offline since the new router
S App cannot find our {product}
S Garden goes offline every night
O We have a new router, and since then the {product} in the {room} does not come back into the app.
O Every night at about two the {product} loses its connection, and in the morning I have to
  restart it.
D All other devices in the {room} are fine.
D The small light beside the {part} blinks blue and white.
D I use the Companion app {version} on a telephone that is three years old.
A Is the new network one with 5 GHz alone? The {product} needs 2.4 GHz. Most routers can open a
  guest network that has it.
A Please hold the key beside the {part} for seven seconds until the light turns white, and then add
  the garden again in the app. Does it get further than "saying hello"?
C The guest network did it, thank you. Is it safe to leave it there?
C It stays at "saying hello" for some minutes and then gives up.
R Yes, that is safe: the {product} talks to our servers alone. I have renamed it for you so that
  both your gardens are in one list.
R Your router renews its addresses at two and forgets the garden. Please give it a fixed address;
  I have written down the three steps for your model below.
N Same router model as five others this month. There should be a help article.

# technical/plants en 6 plants, advice
S Basil grows pale leaves
S Small flies around the {product}
S Nothing sprouts after two weeks
O The basil in our {product} has had pale leaves since {day}; the mint beside it is splendid.
O There are small black flies around the {product} in the {room}, more every day.
O Two weeks after sowing we see nothing but the seed capsules.
D We feed it with the blue bottle once a week.
D The light is on for fourteen hours a day.
D I have not changed anything since last year.
A How many lines does the test strip show five minutes after feeding? And how warm is it in the
  {room} at night?
A Could you send me a picture from above and one of the {part}?
C The strip shows two lines. At night we have about 17 degrees.
C Here are two pictures. The other shelf looks much better, as you see.
R Basil is hungry: please feed it twice a week for a month and keep the {part} clear of roots.
  You should see green within ten days.
R Those are fungus gnats. A layer of fine sand on the capsules and a yellow card at the {part} end
  it in two weeks; both are in the post.
N Sent sand and cards as goodwill.

# bug/app en 5 app, firmware
S App closes when I open the diary
S Watering history is empty since version {version}
S Two gardens have swapped their names
O Since the update to {version} the Companion app closes as soon as I open the diary of the
  {product}.
O The list of waterings has been empty since {day}, although the {product} waters as it should.
O We have a {product} in the {room} and another one upstairs. The app has swapped their names.
D I have installed the app anew, signed in again and restarted the telephone.
D My wife sees the same on her telephone.
D It happens with the {part} page, too.
A Thank you, I can see it here. Which language and which date format does your telephone use?
A Could you shake the telephone while the app is open and choose "Send report"? It tells us what
  happened just before.
C It is set to English, with dates as day, month, year.
C I have sent the report just now.
R We have found it: dates with a dot made the diary stumble. Version {version} is in the stores
  today and brings your waterings back.
R That is mended on our side now; please pull the list down once. Sorry for the confusion.
N Filed with the app team, they have a build with the fix.
N Only with gardens that were added before spring.

# bug/firmware en 3 firmware
S Error {code} after the update of last night
S {product} restarts every hour
O Last night our {product} installed firmware {version}, and since then it shows error {code}.
O The {product} restarts about every hour, and each time the lamp goes to full brightness.
D Our {room} is closed on Sundays, so nobody was near it.
D Watering seems to be unaffected.
D It is not working as it did before, and the guests notice.
A I have asked the {product} for its diary. May I put it back to the firmware of last month over
  night?
A Does it help to unplug it for a minute, with the {part} taken out?
C Yes, please do. Nobody needs it at night.
C Unplugging helped for an hour, then it started again.
R It is back on the firmware of last month and has run for a day without a restart. I will write to
  you before it updates again.
R Firmware {version} mends this. It is on your {product} since this morning, and the diary looks
  calm.
N Watchdog fires while the {part} is read. Known, fixed in the next one.

# billing/invoice en 6 invoice
S Invoice {order} shows the old address
S We need an invoice with our tax number
S Charged twice for {order}
O On invoice {order} you still use our address in {city}; we moved in the spring.
O Our accountant asks for our tax number on invoice {order}.
O My bank shows two payments of {amount} for order {order}.
D The new address is on the delivery note already.
D It would be good to have it before the end of the month.
D I did press the button once only, I think.
A Could you give me the exact company name, as it stands in the register?
A Which day does the bank show for the second payment, and are the last digits {digits}?
C The name is right as it is, only the street is old.
C It was on {day}, and yes, these are the digits.
R A corrected invoice is attached; the old one is cancelled in our books.
R You are right, and I am sorry. {amount} went back to you this morning and will show within three
  bank days.
N Payment provider confirmed the double booking, refund number {digits}.
N Address was changed in the shop but not in billing.

# billing/subscription en 6 subscription, seedbox
S Please pause our Seedbox
S How do I change the Seedbox to herbs?
S Cancel the subscription at the end of the year
O We are away until spring and would like to pause our Seedbox.
O Our Seedbox brings salads, and we have more of them than we can eat. Can it be herbs instead?
O Please end our subscription with the last box of this year.
D The order is {order}, the next box is due on {day}.
D I could not find this in the app.
D We might come back when we live in a bigger flat.
A Gladly. Shall the box of {day} still come, or is that one too many?
A May I ask what made you decide? There is no need to answer, it helps us to get better.
C The box of {day} may still come, thank you.
C It is a matter of space, we are quite happy otherwise.
R Done: the next box comes when you wake it up in the app, under Seedbox and then Pause.
R Changed to herbs from the next box on. You will get thyme, mint, parsley and a surprise.
R Your subscription ends with the box of December, nothing more will be charged. Thank you for
  growing with us.
N Offered two months free, declined.

# billing/refund en 4 refund, shop
S Refund for {order}
S Returned the {product}, no money yet
O Two weeks ago I sent back the {product} of order {order}, and I have not got my {amount} yet.
O Order {order} arrived after the party it was meant for. Can I return it?
D The parcel was signed for on {day}.
D The box is unopened.
D I paid by bank transfer.
A Could you send me the number on the return label? It begins with GL.
A Of course. Would you rather have the money back or a voucher with ten per cent more?
C The number is GL-{digits}-{digits}.
C The money, please. No offence meant.
R The parcel is found: it stood in the wrong corner of our store. {amount} is on its way to your
  account.
R A return label is attached. As soon as the parcel is scanned, {amount} goes back to you by
  itself.
N Warehouse found the parcel without a label.

# account/sign-in en 6 account
S Cannot sign in after changing my address
S The link by mail never arrives
S Please delete my second account
O I changed my mail address in the app on {day}, and now neither the old nor the new one works.
O I asked for a sign-in link four times, and no mail has arrived.
O By mistake I have made two accounts, and the {product} is in the wrong one.
D Spam folder and filters are checked.
D My telephone still shows the garden, the tablet does not.
D It is not in a hurry, the {product} grows on.
A May I ask for the serial number of your {product}? It is on the underside, beside the {part}.
A Does your mail come from a company's server? Some of them hold back our mails for an hour.
C The serial number is GX{digits}{digits}.
C It is our own server. Our administrator has now let your address through.
R Both addresses lead to the same account now, and the {product} is in it. Please sign in with the
  new one.
R The second account is gone and the garden moved to the first. Its diary came along.
N Checked serial number and order {order}: it is the same person.

# account/privacy en 2 privacy
S What do you store about us?
S Request to delete our data
O Please tell us what you store about our company and the {product} in our {room}.
O We have sold our {product} and would like our data to be deleted.
D It is for our yearly audit.
D The new owner has made an account of her own.
A For your safety I have sent a code to the address of the account. Could you answer with it?
C The code is {digits}.
R The answer is attached: what we store, why, and for how long. Please write if anything is unclear.
R Your data is deleted, apart from invoices, which the law makes us keep for ten years.
N Data protection ticket: answer within a month, done by Legal.

# general/order en 8 order, shop
S Where is order {order}?
S Can you deliver the {product} to {city}?
S Order {order} arrived without the {part}
O Order {order} has been "on its way" since {day}.
O We would like to have the {product} delivered to our {room} in {city}, on the third floor.
O Order {order} came today, well packed, but without the {part}.
D The carrier's page says that it is still in the depot.
D There is a lift, it is 80 centimetres wide.
D I have looked through all the paper twice.
A I have asked the carrier. In the meantime: is there a neighbour who takes parcels in?
A Which of the two boxes did it come in, the tall or the flat one?
C Number 12 on the ground floor usually does.
C In the tall one. There was no other.
R The parcel is found and comes tomorrow between nine and twelve.
R The flat box was left behind in our store. It goes out today by express, and you get the next
  Seedbox for free.
R We deliver to {city} every Thursday. The {product} fits through a door of 75 centimetres.
N Carrier lost the label. New one printed.

# general/advice en 7 advice
S Which garden for a small {room}?
S Is the {product} loud?
S May tap water be used?
S How much power does the {product} take?
O We have a small {room} with one window to the north and think about a {product}.
O Before we order a {product}, we would like to know how loud it is at night.
O Is tap water good enough for the {product}, or should it be filtered?
O What does a {product} cost in electricity each month?
D We are two people and cook every day.
D The bedroom is next door.
D We live in {city}.
A How wide is the place, and is there a socket within two metres?
A Would it be herbs, salads, or something larger?
C It is 62 centimetres, with a socket right above.
C Herbs mostly, and a few strawberries if they grow.
R Then the Nook is right for you. With two shelves it is enough for two people who like herbs.
R It hums as quietly as a refrigerator, and not at all from ten to six if you choose Quiet nights.
R Tap water is what it was made for. In {city} it is soft enough for the {part}.
R About four euros a month, with the lamp on for fourteen hours a day.
N Might be a customer for the Atrium, told sales.

# general/visit en 3 atrium, business
S Yearly service for three Atriums
S Technician for our {room} in {city}
O Our contract says that the Atriums in our {room} are serviced once a year; is it time?
O We need a technician in {city} for the {product} in our {room}.
D Mornings before ten are best, the kitchen is busy later.
D Please bring a {part}, ours is worn.
D Parking is behind the building.
A Would {day} at eight suit you? It takes about two hours, and the water is off for one of them.
A Could you tell me who opens the door, and whether there is a step?
C {day} is fine. The chef will be there.
C There is no step. Please ring at the delivery entrance.
R It is in the book: {day} at eight, with a new {part} in the bag.
R Our technician was there this morning, all values are green. The report is attached.
N Contract {order}, service is included.

# feature_request/app en 5 idea, app
S Could the app show the water level over time?
S A dark mode for the Companion app
S More than one person for a garden
O It would be lovely to see the water level of the {product} as a curve.
O I use the app at night, and the white page lights up the whole {room}.
O In our office five people look after one {product}, and all use my account.
D Other apps do this, and it does not look hard.
D I am glad to try it before others do.
D No need to answer at once.
A Thank you! Would a curve of the last month do, or do you look for something over the year?
A How would you like to be told that someone else has watered?
C The last month is quite enough.
C A line in the diary with the name would do.
R I have put it on our list, with your words. It is planned for spring, and you will hear from us.
R Good news: that is in version {version}, which is in the stores now. Look under Garden, then More.
N Asked for by 30 others. Linked to the roadmap.

# feature_request/product en 3 idea, hardware
S A Nook in another colour
S Seed capsules for chillies
O Is there a chance to get the {product} in a darker colour?
O We would love capsules for chillies in the Seedbox.
D It stands in a {room} with oak furniture.
D Friends of ours have asked the same.
A Which green would you choose: the one of moss, or the one of a bottle?
C Moss, without any doubt.
R Thank you, I have told our designers. They decide about colours twice a year.
R Chillies come with the spring Seedbox. I have put you onto the list of the first hundred.
N Colour requests go to the design board, see the list there.

# technical/pump en 2 atrium, business, urgent
S URGENT: Atrium is down before the opening tonight
S Atrium in the restaurant stands still
O The Atrium in our {room} has been down since noon, and we open a new place tonight with the press
  coming.
O Our Atrium stands still: no light, no water, display dark. This is urgent for us.
D The fuse is fine, all else in the {room} has power.
D Our contract promises help within hours.
D Please call us, whoever reads this.
A I am looking at it right now. Is the green light on the power box above the {part} on?
A A technician can be in {city} in two hours. Is somebody there to open?
C No light at all on the power box.
C Yes, our manager stays until midnight.
R Our technician has replaced the power box, and the Atrium is running. Have a good opening!
R The emergency key was pressed by the cleaners. It is released, and I have sent you a cover for it.
N Business contract, four hours. Called the technician in {city} on the phone.
"""


def _read(book: str) -> list[Case]:
    cases: list[Case] = []
    texts: list[str] = []
    for line in book.strip().splitlines():
        if line.startswith("# "):
            place, language, weight, *tags = line[2:].split(maxsplit=3)
            category, subcategory = place.split("/")
            words = [tag.strip() for tag in "".join(tags).split(",")]
            cases.append(Case(category, subcategory, language, float(weight), words))
        elif line.startswith("  "):
            texts[-1] += " " + line.strip()
        elif line:
            texts = getattr(cases[-1], _LISTS[line[0]])
            texts.append(line[2:])
    return cases


CASES = _read(_BOOK) + _read(BOOK)
