"""Spell numbers in Hindi, the inverse of the tested code, from an independent list of words."""

_UP_TO_99 = """
शून्य एक दो तीन चार पाँच छह सात आठ नौ
दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस
बीस इक्कीस बाईस तेईस चौबीस पच्चीस छब्बीस सत्ताईस अट्ठाईस उनतीस
तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस
चालीस इकतालीस बयालीस तैंतालीस चवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास
पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन अट्ठावन उनसठ
साठ इकसठ बासठ तिरसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर
सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उन्यासी
अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी
नब्बे इक्यानवे बानवे तिरानवे चौरानवे पचानवे छियानवे सत्तानवे अट्ठानवे निन्यानवे
"""
ONES = tuple(_UP_TO_99.split())


def spell(number: int) -> str:
    """Spell a number below 100 खरब: एक सौ पाँच for 105."""
    if number < 100:
        return ONES[number]
    text = str(number).zfill(13)
    pairs = [text[:2], text[2:4], text[4:6], text[6:8], text[8:10], text[10], text[11:]]
    names = ["खरब", "अरब", "करोड़", "लाख", "हज़ार", "सौ", ""]
    return " ".join(
        f"{ONES[int(digits)]} {name}".strip()
        for digits, name in zip(pairs, names, strict=True)
        if int(digits)
    )


def grouped(number: int) -> str:
    """Group digits as the service does: 12,34,567, and nothing below 10,000."""
    if number < 10_000:
        return str(number)
    reverse = str(number)[::-1]
    pairs = [reverse[start : start + 2] for start in range(3, len(reverse), 2)]
    return ",".join([reverse[:3], *pairs])[::-1]
