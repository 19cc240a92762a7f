"""The words of the sample's documents. All parties, places and terms are invented."""

INVENTED = "This document is invented: it was written for the sample of bootstrap-assets and binds nobody."

PDF_TITLE = "Supply Agreement"
PDF_PAGES = (
    (
        (
            "Parties and purpose",
            "Brightwater Mills (the Supplier) makes oat flour. Larkfield Bakeries (the Buyer) "
            "bakes bread. The Supplier will deliver flour to the Buyer every week from 1 March, "
            "and the Buyer will pay for it as this agreement says.",
        ),
        (
            "Price and payment",
            "The price is 412 crowns for a tonne. The Supplier sends an invoice on the last "
            "working day of each month, and the Buyer pays it within thirty days. Interest of one"
            " percent a month is due on what is paid late.",
        ),
        (
            "Quality",
            "The flour must hold no more than fourteen percent of water. The Buyer may refuse a "
            "delivery that holds more, and tells the Supplier so within two days of its arrival.",
        ),
    ),
    (
        (
            "Cap on liability",
            "Except for death, injury and fraud, neither party's liability under this agreement "
            "exceeds what the Buyer paid in the twelve months before the event that gave rise to "
            "it. Neither party is liable for lost profit.",
        ),
        (
            "Term and termination",
            "This agreement runs for two years. Either party may end it by ninety days' notice in"
            " writing, and at once if the other breaks it and does not put that right within "
            "twenty days of being told.",
        ),
        (
            "Governing law",
            "This agreement is governed by the law of the Free County of Larkfield, whose courts "
            "alone decide on it. Neither party may assign it without the other's written consent.",
        ),
    ),
)

DOCX_PARAGRAPHS = (
    ("Title", "Mutual Non-Disclosure Agreement"),
    ("Normal", INVENTED),
    (
        "Normal",
        "Between Quillmere Instruments and the Observatory of Tarn Fell, who want to look into "
        "building a telescope together.",
    ),
    ("Heading1", "Confidential Information"),
    (
        "Clause",
        "Confidential Information is what one party tells the other in connection with the "
        "telescope and marks as confidential, or what a reasonable person would take for "
        "confidential.",
    ),
    ("Clause", "It is not Confidential Information if the receiving party can show that it"),
    (
        "Subclause",
        "was public when it was received, or became so without a breach of this agreement;",
    ),
    ("Subclause", "was developed by the receiving party on its own; or"),
    ("Subclause", "was received from a third party who was free to give it."),
    ("Heading1", "Use and Protection"),
    (
        "Clause",
        "The receiving party uses Confidential Information for the telescope only, and shows it "
        "to those of its employees who need it and are bound to keep it secret.",
    ),
    (
        "Clause",
        "The receiving party may keep one copy in its archive, as long as the law requires.",
    ),
    ("Heading1", "Return and Survival"),
    (
        "Clause",
        "On request, the receiving party returns or destroys all Confidential Information within thirty days.",
    ),
    ("Clause", "The duties of this agreement last for four years after it ends."),
)

EPUB_TITLE = "Handbook for Suppliers of Larkfield Bakeries"
EPUB_CHAPTERS = (
    f"<h1>How we buy</h1><p>{INVENTED}</p><h2>Orders</h2><p>We order in writing, and an order "
    "binds us once our buyer has signed it. Prices include packaging and carriage to our mill "
    "yard.</p><h2>Delivery</h2><p>Deliveries are taken from six to eleven in the morning. Risk "
    "passes when the last sack is on our floor.</p>",
    "<h1>What we expect</h1><h2>Insurance</h2><p>A supplier insures itself against claims of "
    "third parties for at least two million crowns, and shows us the policy every "
    "year.</p><h2>Audit</h2><p>We may look at a supplier's books that concern us once a year, "
    "after ten days' notice and in working hours.</p><h2>Secrets</h2><p>What a supplier learns of"
    " our recipes it keeps to itself, also after we have parted.</p>",
)

HTML_PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Terms of the Fernhill Web Shop</title></head>
<body>
<h1>Terms of the Fernhill Web Shop</h1>
<p>{INVENTED}</p>
<h2>1. Orders</h2>
<p>A contract is made when Fernhill confirms an order by e-mail. It may refuse an order without giving reasons.</p>
<h2>2. Prices</h2>
<table><tr><th>Weight</th><th>Postage</th></tr><tr><td>up to 2 kg</td><td>4 crowns</td></tr>
<tr><td>up to 10 kg</td><td>9 crowns</td></tr></table>
<h2>3. Warranty</h2>
<p>Fernhill warrants that its lamps are free of defects for two years, and</p>
<ol type="a"><li>repairs a lamp that is not,</li><li>replaces it, or</li><li>pays back its price.</li></ol>
<h2>4. Personal data</h2>
<p>Fernhill uses personal data to fulfil orders, and gives none to third parties but the carrier.</p>
</body></html>
"""

MARKDOWN = f"""# Data Processing Addendum

_{INVENTED}_

## 1. Roles

**1.1 Controller.** Harrow & Vale decides why and how personal data is processed.

**1.2 Processor.** Copperline Hosting processes it on instructions of Harrow & Vale only.

## 2. Security

Copperline keeps personal data safe by

1. encryption at rest and in transit,
2. access for those alone who need it, and
3. a test of its backups every quarter.

## 3. Breaches

Copperline tells Harrow & Vale of a breach within **48 hours**, and what it has done about it.

| Kind of breach | Notice within |
|---|---|
| Personal data read by others | 48 hours |
| Service interrupted | 5 days |
"""

TEXT = f"""LOAN OF EQUIPMENT

{INVENTED}

1. Equipment. The Guild of Ropemakers lends one spinning frame to the Harbour Museum of
Saltby, from 1 May to 30 September.

2. Care. The Museum keeps the frame dry and under guard, and does not lend it to others. It
bears the cost of any damage beyond ordinary wear.

3. Return. The Museum returns the frame within a week after the loan has ended. The Guild may
ask for it earlier by thirty days' notice.

4. Law. The law of Saltby governs this loan.
"""
