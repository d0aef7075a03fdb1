"""Who lives in the sandbox. Every name is invented; every IBAN is valid and belongs to nobody."""

from __future__ import annotations

from dataclasses import dataclass

OPERATOR = "Bezant Sandbox Operator"
OPERATOR_BANK = "Rheinufer Bank (simulated)"
OPERATOR_BIC = "MARKDEFF"
OPERATOR_ROUTING = "121042882"
SETTLEMENT_IBANS = {"EUR": "DE89370400440532013000", "GBP": "GB29NWBK60161331926819"}
OPENING_MINOR = {"EUR": 25_000_000, "GBP": 5_000_000}

MERCHANT = "Nordlicht Coffee Roasters"
SECOND_MERCHANT = "Atelier Mistral"
AUTO_APPROVE_MINOR = 100_000  # 1,000.00: payouts up to this need no second person

PROVIDER = "bezant_sandbox"


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer of the merchant, with the currencies of the accounts they hold."""

    kind: str
    name: str
    country: str
    email: str
    currencies: tuple[str, ...] = ("EUR",)


CUSTOMERS = (
    Customer("company", "Nordlicht Coffee Roasters, till", "DE", "till@nordlicht.example", ("EUR", "GBP")),
    Customer(
        "company", "Nordlicht Coffee Roasters, online shop", "DE", "shop@nordlicht.example", ("EUR", "GBP")
    ),
    Customer("company", "Hafenkante Bakery", "DE", "office@hafenkante.example"),
    Customer("company", "Brouwer & Dochters Catering", "NL", "books@brouwer.example"),
    Customer("company", "Café Lumière", "FR", "bonjour@lumiere.example"),
    Customer("person", "Ingrid Solberg", "NO", "ingrid@solberg.example"),
    Customer("person", "Tomasz Wieczorek", "PL", "tomasz@wieczorek.example"),
    Customer("person", "Aoife Gallagher", "IE", "aoife@gallagher.example", ("EUR", "GBP")),
    Customer("person", "Matteo Ferrante", "IT", "matteo@ferrante.example"),
    Customer("person", "Lena Abendroth", "AT", "lena@abendroth.example"),
    Customer("company", "Highland Tea Merchants", "GB", "tea@highland.example", ("GBP",)),
    Customer("person", "Callum Reid", "GB", "callum@reid.example", ("GBP",)),
)


@dataclass(frozen=True, slots=True)
class Supplier:
    """Somebody the merchant pays, at another bank."""

    name: str
    iban: str
    what: str


SUPPLIERS = (
    Supplier("Green Bean Imports BV", "NL91ABNA0417164300", "Green coffee"),
    Supplier("Kaffeemaschinen Vogel GmbH", "DE75512108001245126199", "Machine service"),
    Supplier("Transports Girard SARL", "FR1420041010050500013M02606", "Freight"),
    Supplier("Papeleria Sol SL", "ES9121000418450200051332", "Cups and lids"),
    Supplier("Alpenmilch Genossenschaft", "AT611904300234573201", "Milk"),
    Supplier("Lumen Energie SpA", "IT60X0542811101000000123456", "Electricity"),
)

PAYERS = (
    ("Helena Brandt", "DE02120300000000202051"),
    ("Jonas Petit", "FR7630006000011234567890189"),
    ("Sofia Almeida", "PT50000201231234567890154"),
    ("Willem de Groot", "NL02ABNA0123456789"),
    ("Elin Karlsson", "SE4550000000058398257466"),
)
BRITISH_PAYERS = (("Oliver Hart", "GB33BUKB20201555555555"), ("Amelia Frost", "GB94BARC10201530093459"))

# What staff see in the console: one person per role.
STAFF = (
    ("vera", "viewer"),
    ("oskar", "operator"),
    ("anna", "approver"),
    ("lukas", "ledger_accountant"),
    ("iris", "integrations"),
    ("carla", "compliance_officer"),
    ("adam", "administrator"),
)

THIRD_PARTY_STATEMENTS = (
    # (file, what it is): bank samples whose balances foot; their source and licence stand beside them.
    ("ing_example_camt053.xml", "ING sample, Netherlands"),
    ("FI_camt_053_sample.xml", "Finnish banks' sample"),
    ("genkgo/camt053.v2.multi.statement.xml", "two days of one account"),
)
