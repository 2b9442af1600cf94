"""Names of people and companies, from several parts of the world; all invented."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from app.accounts.models import Tier


@dataclass(frozen=True, slots=True)
class Region:
    """Where people come from, what they speak, and how they are called."""

    language: str
    zones: tuple[str, ...]
    cities: tuple[str, ...]
    firsts: tuple[str, ...]
    lasts: tuple[str, ...]
    weight: int
    family_first: bool = False


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


REGIONS = (
    Region(
        "en",
        ("Europe/London", "Europe/Dublin"),
        _words("Bristol Leeds Cork Norwich Dundee Swansea Galway Exeter"),
        _words(
            "Amelia Ben Clara Dylan Esme Fergus Grace Hugh Imogen Jack Kiera Liam Maeve Nora Owen"
            " Poppy Rory Saoirse Theo Wilfred"
        ),
        _words(
            "Ashdown Barrow Carmody Delaney Elwood Fairley Garrick Hollis Ingram Keane Lockhart"
            " Marlowe Nolan Pemberton Quigley Redfern Somers Thackeray Whitlock"
        ),
        24,
    ),
    Region(
        "en",
        ("America/New_York", "America/Chicago", "America/Los_Angeles"),
        _words("Portland Austin Madison Tucson Asheville Duluth Boulder Savannah"),
        _words(
            "Aaliyah Brooke Caleb DeShawn Elena Frank Guadalupe Harper Isaac Jasmine Kenji Lucia"
            " Marcus Naomi Oscar Paloma Quinn Rosa Tyrone Willa"
        ),
        _words(
            "Alvarez Bennett Castillo Donovan Ellison Franklin Greene Hayashi Irving Jefferson"
            " Kowalski Lindgren Morales Nguyen Okafor Patterson Ramirez Sterling Underwood Weiss"
        ),
        20,
    ),
    Region(
        "en",
        ("Asia/Kolkata", "Australia/Sydney", "Africa/Nairobi", "Africa/Lagos"),
        _words("Pune Mysuru Hobart Mombasa Ibadan Kochi Geelong Kisumu"),
        _words(
            "Aditi Bhavesh Chidi Divya Emeka Farida Gaurav Harini Ifeoma Jomo Kavya Lakshmi Makena"
            " Nikhil Olu Priya Ravi Sanjana Tunde Wanjiru"
        ),
        _words(
            "Achebe Banerjee Chaudhary Deshmukh Eze Gathoni Iyer Joshi Kamau Mehta Nair Odhiambo"
            " Patil Rao Subramanian Thapa Venkatesan Wambui"
        ),
        16,
    ),
    Region(
        "de",
        ("Europe/Berlin", "Europe/Vienna", "Europe/Zurich"),
        _words("Bremen Graz Ulm Basel Kiel Linz Erfurt Mainz"),
        _words(
            "Annika Bastian Carla Dorothea Emil Franziska Gregor Heike Ingo Jörg Katrin Lennart"
            " Marlene Niklas Ottilie Paul Ruth Sören Tabea Ursula"
        ),
        _words(
            "Albrecht Bäumler Dietz Ehlers Fröhlich Gärtner Hüttner Jansen Köhler Lenz Möhring"
            " Neumayr Pfeiffer Röttger Schäfer Thoma Vollmer Wendt Zöllner"
        ),
        14,
    ),
    Region(
        "fr",
        ("Europe/Paris", "Europe/Brussels"),
        _words("Nantes Lyon Namur Rennes Dijon Annecy Liège Tours"),
        _words(
            "Aurélie Bastien Céline Damien Élodie Fabrice Gaëlle Hugo Inès Julien Léa Maël Noémie"
            " Océane Pascal Quentin Romane Sylvain Théo Zoé"
        ),
        _words(
            "Aubert Boucher Carpentier Delmas Étienne Fontaine Girard Hébert Jacquet Lefèvre"
            " Marchand Noël Perrin Renaud Saunier Tessier Vasseur"
        ),
        8,
    ),
    Region(
        "es",
        ("Europe/Madrid", "America/Mexico_City", "America/Bogota"),
        _words("Valencia Oviedo Puebla Cali Granada Mérida Bilbao Querétaro"),
        _words(
            "Álvaro Begoña Camila Diego Esperanza Fermín Gabriela Hernán Inés Joaquín Lorena Mateo"
            " Nuria Óscar Pilar Rocío Santiago Ximena"
        ),
        _words(
            "Aguirre Benítez Cárdenas Domínguez Escobar Figueroa Gallardo Herrera Ibáñez Lozano"
            " Muñoz Núñez Ortega Peña Quintero Rojas Salazar Zamora"
        ),
        8,
    ),
    Region(
        "ar",
        ("Africa/Cairo", "Asia/Amman", "Asia/Dubai"),
        _words("Amman Cairo Sharjah Tunis"),
        _words("يوسف ليلى عمر سلمى خالد نور مريم طارق هدى سامر رنا زيد"),
        _words("الحداد النجار منصور الخطيب العمري شاهين الصالح درويش القاسم البستاني"),
        4,
    ),
    Region(
        "zh",
        ("Asia/Shanghai", "Asia/Taipei", "Asia/Singapore"),
        _words("Taipei Suzhou Chengdu Singapore"),
        _words("小明 雅婷 建国 美玲 子涵 志强 欣怡 浩然 静怡 文杰 佳慧 俊杰"),
        _words("王 李 张 陈 林 黄 吴 周 郑 孙"),
        4,
        family_first=True,
    ),
    Region(
        "ja",
        ("Asia/Tokyo",),
        _words("Sapporo Kobe Kanazawa Sendai"),
        _words("陽菜 蓮 さくら 大翔 結衣 悠真 美咲 翔太"),
        _words("佐藤 高橋 田中 渡辺 山本 中村 小林 加藤"),
        2,
        family_first=True,
    ),
)
_WEIGHTS = [region.weight for region in REGIONS]

# Name, mail domain, tier, and whether members see all its tickets.
ORGANIZATIONS = (
    ("Harbour Lane Bistro", "harbourlane.example", Tier.PREMIUM, False),
    ("Ostrava Coffee Roasters", "ostravaroasters.example", Tier.STANDARD, False),
    ("Kestrel & Daughters", "kestreldaughters.example", Tier.STANDARD, False),
    ("Hotel Seeblick", "hotel-seeblick.example", Tier.ENTERPRISE, True),
    ("Northfield Primary School", "northfieldprimary.example", Tier.FREE, True),
    ("Lindqvist Architects", "lindqvist.example", Tier.STANDARD, False),
    ("Casa Jacaranda", "casajacaranda.example", Tier.PREMIUM, False),
    ("Tilia Dental Practice", "tiliadental.example", Tier.STANDARD, False),
    ("Bergamot Catering", "bergamot.example", Tier.PREMIUM, True),
    ("Quayside Library", "quaysidelibrary.example", Tier.FREE, False),
    ("Meridian Insurance", "meridian-insurance.example", Tier.ENTERPRISE, True),
    ("The Copper Kettle", "copperkettle.example", Tier.STANDARD, False),
    ("Atelier Bonnard", "atelierbonnard.example", Tier.STANDARD, False),
    ("Sunita's Kitchen", "sunitas.example", Tier.PREMIUM, False),
    ("Falkenberg Clinic", "falkenberg-clinic.example", Tier.ENTERPRISE, False),
    ("Pebble & Pine", "pebblepine.example", Tier.STANDARD, False),
    ("Oficina Verde", "oficinaverde.example", Tier.STANDARD, True),
    ("دار الياسمين", "dar-alyasmin.example", Tier.PREMIUM, False),
    ("青竹茶馆", "qingzhu.example", Tier.STANDARD, False),
    ("Mombasa Road Brewery", "mombasaroad.example", Tier.STANDARD, False),
    ("Glasshouse Theatre", "glasshousetheatre.example", Tier.STANDARD, False),
    ("Ridgeway Care Homes", "ridgewaycare.example", Tier.ENTERPRISE, True),
    ("Tuesday Bakery", "tuesdaybakery.example", Tier.FREE, False),
    ("Fjordlys Kontor", "fjordlys.example", Tier.STANDARD, False),
)

AGENTS = _words(
    "Nadia_Brandt Tomás_Villar Ingrid_Solheim Kwame_Mensah Hana_Kimura Lucas_Ferreira Aoife_Byrne"
    " Deniz_Aydın Marta_Zielińska Rohan_Kulkarni Eva_Lindholm Samuel_Osei Chiara_Conti Piet_de_Wit"
    " Leila_Haddad Jonas_Keller Mei_Tanaka Anton_Petrov Sofía_Guerra Callum_Reid"
)
ADMIN, SUPERVISOR = "Judith Amsel", "Henrik Dahl"


@dataclass(frozen=True, slots=True)
class Somebody:
    """A customer to be."""

    name: str
    first: str
    language: str
    zone: str
    city: str


def somebody(rng: Random) -> Somebody:
    """A name with what goes with it."""
    region = rng.choices(REGIONS, _WEIGHTS)[0]
    first, last = rng.choice(region.firsts), rng.choice(region.lasts)
    name = f"{last}{first}" if region.family_first else f"{first} {last}"
    return Somebody(
        name,
        name if region.family_first else first,
        region.language,
        rng.choice(region.zones),
        rng.choice(region.cities),
    )
