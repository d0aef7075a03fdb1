"""Random but valid messages, from the simplest up."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from apps.core.money import Money
from apps.payments.formats import (
    Address,
    Agent,
    Balance,
    BankCode,
    Charge,
    CreditTransfer,
    CreditTransferBatch,
    CreditTransferGroup,
    DebitMessage,
    DirectDebit,
    DirectDebitBatch,
    DirectDebitGroup,
    EntryDetail,
    GroupStatus,
    Inquiry,
    InquiryMessage,
    InterbankDebit,
    InterbankTransfer,
    MandateReference,
    OriginalPayment,
    PaymentReturn,
    PaymentType,
    Recall,
    RecallAnswer,
    RecallAnswerMessage,
    RecallMessage,
    References,
    ReturnMessage,
    Settlement,
    Statement,
    StatementEntry,
    StatusReason,
    StatusReport,
    TransactionStatus,
    TransferMessage,
    creditor_reference,
)

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def iban_of(country: str, account: str) -> str:
    digits = "".join(str(int(ch, 36)) for ch in f"{account}{country}00")
    return f"{country}{98 - int(digits) % 97:02d}{account}"


def text(size: int, alphabet: str = LETTERS + "/-?:().,'+ "):
    """Text as it comes out of the EPC transliteration: trimmed, single blanks, the basic set."""
    return (
        st.text(alphabet, min_size=1, max_size=size)
        .map(lambda value: " ".join(value.split()))
        .filter(lambda value: value.strip(". "))
    )


maybe = lambda strategy: st.one_of(st.just(""), strategy)  # noqa: E731 - a word for a strategy
identifiers = st.text(LETTERS + "-.", min_size=1, max_size=35).filter(lambda v: v == v.strip())
ibans = st.builds(lambda n: iban_of("DE", f"{n:018d}"), st.integers(0, 10**18 - 1))
bics = st.sampled_from(["MARKDEFFXXX", "DEUTDEFF", "INGBNL2A", "POFICHBEXXX"])
dates = st.dates(date(2020, 1, 1), date(2035, 12, 31))
moments = st.builds(
    lambda seconds, ms: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, milliseconds=ms),
    st.integers(0, 400_000_000),
    st.sampled_from([0, 1, 123, 999]),
)
uuids = st.uuids(version=4)
euro = st.builds(Money, st.integers(1, 99_999_999_999), st.just("EUR"))
addresses = st.builds(
    Address,
    town=text(35),
    country=st.sampled_from(["DE", "FR", "NL"]),
    postcode=maybe(text(16)),
    street=maybe(text(70)),
    building=maybe(text(16)),
    lines=st.lists(text(70), max_size=2).map(tuple),
)
references = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=21).map(creditor_reference)
remittances = st.one_of(
    st.just({}),
    text(140).map(lambda value: {"remittance": value}),
    references.map(lambda value: {"creditor_reference": value}),
)


def _transfer(remittance, **values):
    return CreditTransfer(**values, **remittance)


transfers = st.builds(
    _transfer,
    remittances,
    end_to_end_id=identifiers,
    amount=euro,
    creditor_name=text(70),
    creditor_iban=ibans,
    creditor_bic=maybe(bics),
    creditor_address=st.one_of(st.none(), addresses),
    instruction_id=maybe(identifiers),
    uetr=st.one_of(st.none(), uuids),
    purpose=st.sampled_from(["", "SALA", "SUPP"]),
    ultimate_debtor_name=maybe(text(70)),
    ultimate_creditor_name=maybe(text(70)),
)


def unique_groups(group):
    return st.lists(group, min_size=1, max_size=3, unique_by=lambda g: g.id).map(tuple)


credit_batches = st.builds(
    CreditTransferBatch,
    message_id=identifiers,
    created_at=moments,
    initiating_party=text(70),
    groups=unique_groups(
        st.builds(
            CreditTransferGroup,
            id=identifiers,
            debtor_name=text(70),
            debtor_iban=ibans,
            execution_date=dates,
            transfers=st.lists(transfers, min_size=1, max_size=4).map(tuple),
            debtor_bic=maybe(bics),
            debtor_address=st.one_of(st.none(), addresses),
            instant=st.booleans(),
            batch_booking=st.booleans(),
            category_purpose=st.sampled_from(["", "SALA"]),
        )
    ),
)

mandates = st.builds(
    MandateReference,
    mandate_id=identifiers,
    signed_on=dates,
    original_mandate_id=maybe(identifiers),
    original_creditor_id=st.sampled_from(["", "DE98ZZZ09999999999"]),
    original_debtor_account=maybe(ibans),
)


def _debit(remittance, **values):
    return DirectDebit(**values, **remittance)


debit_batches = st.builds(
    DirectDebitBatch,
    message_id=identifiers,
    created_at=moments,
    initiating_party=text(70),
    groups=unique_groups(
        st.builds(
            DirectDebitGroup,
            id=identifiers,
            creditor_name=text(70),
            creditor_iban=ibans,
            creditor_id=st.just("DE98ZZZ09999999999"),
            collection_date=dates,
            debits=st.lists(
                st.builds(
                    _debit,
                    remittances,
                    end_to_end_id=identifiers,
                    amount=euro,
                    mandate=mandates,
                    debtor_name=text(70),
                    debtor_iban=ibans,
                    debtor_bic=maybe(bics),
                    debtor_address=st.one_of(st.none(), addresses),
                    instruction_id=maybe(identifiers),
                ),
                min_size=1,
                max_size=4,
            ).map(tuple),
            instrument=st.sampled_from(["CORE", "B2B"]),
            sequence_type=st.sampled_from(["FRST", "RCUR", "FNAL", "OOFF"]),
            creditor_bic=maybe(bics),
            batch_booking=st.booleans(),
        )
    ),
)

agents = st.one_of(
    st.builds(Agent, bic=bics),
    st.builds(Agent, member=st.from_regex(r"\A[0-9]{9}\Z"), clearing_system=st.sampled_from(["", "USABA"])),
)
amounts = st.builds(Money, st.integers(1, 10**12), st.sampled_from(["EUR", "USD", "JPY", "BHD"]))
types = st.builds(
    PaymentType,
    service_level=st.sampled_from(["", "SEPA"]),
    local_instrument=st.sampled_from(["", "INST"]),
    category_purpose=st.sampled_from(["", "SUPP"]),
)
settlements = st.sampled_from(
    [Settlement("CLRG"), Settlement("CLRG", "FDN"), Settlement("INDA"), Settlement("CLRG", "", "X")]
)


def _interbank(remittance, **values):
    return InterbankTransfer(**values, **remittance)


transfer_messages = st.builds(
    TransferMessage,
    message_id=identifiers,
    created_at=moments,
    settlement=settlements,
    type=types,
    settlement_date=st.one_of(st.none(), dates),
    instructing=st.one_of(st.just(Agent()), agents),
    transfers=st.lists(
        st.builds(
            _interbank,
            remittances,
            end_to_end_id=identifiers,
            amount=amounts,
            debtor_name=text(70),
            debtor_account=ibans,
            debtor_agent=agents,
            creditor_name=text(70),
            creditor_account=ibans,
            creditor_agent=agents,
            tx_id=maybe(identifiers),
            instruction_id=maybe(identifiers),
            uetr=st.one_of(st.none(), uuids),
            settlement_date=st.one_of(st.none(), dates),
            accepted_at=st.one_of(st.none(), moments),
            creditor_address=st.one_of(st.none(), addresses),
            type=types,
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
)


def _interbank_debit(remittance, **values):
    return InterbankDebit(**values, **remittance)


debit_messages = st.builds(
    DebitMessage,
    message_id=identifiers,
    created_at=moments,
    settlement=settlements.filter(lambda item: item.method == "CLRG"),
    debits=st.lists(
        st.builds(
            _interbank_debit,
            remittances,
            end_to_end_id=identifiers,
            tx_id=identifiers,
            amount=amounts,
            collection_date=dates,
            mandate=mandates,
            creditor_id=st.just("DE98ZZZ09999999999"),
            creditor_name=text(70),
            creditor_account=ibans,
            creditor_agent=agents,
            debtor_name=text(70),
            debtor_account=ibans,
            debtor_agent=agents,
            settlement_date=st.one_of(st.none(), dates),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
)


def originals(*, money=True):
    named = st.builds(
        OriginalPayment,
        message_id=identifiers,
        message_name=st.just("pacs.008.001.08"),
        instruction_id=maybe(identifiers),
        end_to_end_id=maybe(identifiers),
        tx_id=identifiers,
        uetr=st.one_of(st.just(""), uuids.map(str)),
        amount=st.one_of(st.none(), amounts) if money else st.none(),
        settlement_date=st.one_of(st.none(), dates) if money else st.none(),
    )
    return named


return_messages = st.builds(
    ReturnMessage,
    message_id=identifiers,
    created_at=moments,
    format=st.sampled_from(["pacs.004.001.09", "pacs.004.001.10"]),
    settlement=settlements,
    returns=st.lists(
        st.builds(
            PaymentReturn,
            amount=amounts,
            reason=st.sampled_from(["AC04", "MD06", "AM04"]),
            original=originals(),
            return_id=maybe(identifiers),
            settlement_date=st.one_of(st.none(), dates),
            information=maybe(text(105)),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
)
inquiry_messages = st.builds(
    InquiryMessage,
    message_id=identifiers,
    created_at=moments,
    inquiries=st.lists(
        st.builds(Inquiry, originals(money=False), maybe(identifiers), st.one_of(st.none(), moments)),
        min_size=1,
        max_size=3,
    ).map(tuple),
    instructed=st.one_of(st.just(Agent()), agents),
)
recall_messages = st.builds(
    RecallMessage,
    id=identifiers,
    created_at=moments,
    sender=agents,
    receiver=agents,
    recalls=st.lists(
        st.builds(
            Recall, identifiers, st.sampled_from(["DUPL", "TECH", "FRAD"]), originals(), maybe(text(105))
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
)
answer_messages = st.builds(
    RecallAnswerMessage,
    id=identifiers,
    created_at=moments,
    sender=agents,
    receiver=agents,
    confirmation=st.sampled_from(["CNCL", "RJCR", "PDCR", "IPAY"]),
    case_id=maybe(identifiers),
    answers=st.lists(
        st.one_of(
            st.builds(
                RecallAnswer,
                st.just("RJCR"),
                identifiers,
                originals(),
                st.sampled_from(["AC04", "CUST"]),
                maybe(text(105)),
            ),
            st.builds(
                RecallAnswer,
                st.just("ACCR"),
                identifiers,
                originals(),
                returned=st.one_of(st.none(), amounts),
            ),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
)

reasons = st.lists(
    st.one_of(
        st.builds(StatusReason, code=st.sampled_from(["AC01", "AM04", "NARR"]), text=maybe(text(100))),
        st.builds(StatusReason, proprietary=text(35), text=maybe(text(100))),
    ),
    max_size=2,
).map(tuple)
statuses = st.sampled_from(["ACTC", "ACCP", "ACSC", "PDNG"])


def _tx_status(modern: bool, interbank: bool):
    return st.builds(
        TransactionStatus,
        status=statuses,
        end_to_end_id=identifiers,
        instruction_id=maybe(identifiers),
        tx_id=maybe(identifiers) if interbank else st.just(""),
        uetr=st.one_of(st.none(), uuids) if modern else st.none(),
        status_id=maybe(identifiers),
        reasons=reasons,
        accepted_at=st.one_of(st.none(), moments),
        amount=st.one_of(st.none(), amounts),
        original_message_id=identifiers if interbank else st.just(""),
    )


def _customer_reports(name: str):
    return st.builds(
        StatusReport,
        format=st.just(name),
        message_id=identifiers,
        created_at=moments,
        original_message_id=identifiers,
        original_message_name=st.just("pain.001.001.09"),
        status=st.one_of(st.just(""), statuses),
        reasons=reasons,
        groups=st.lists(
            st.builds(
                GroupStatus,
                id=identifiers,
                status=st.one_of(st.just(""), statuses),
                reasons=reasons,
                transactions=st.lists(_tx_status(name.endswith("10"), False), max_size=3).map(tuple),
            ),
            max_size=3,
        ).map(tuple),
    )


status_reports = st.one_of(
    _customer_reports("pain.002.001.03"),
    _customer_reports("pain.002.001.10"),
    st.builds(
        StatusReport,
        format=st.just("pacs.002.001.10"),
        message_id=identifiers,
        created_at=moments,
        transactions=st.lists(_tx_status(True, True), min_size=1, max_size=3).map(tuple),
    ),
)


def _signed(currency: str):
    return st.builds(Money, st.integers(-(10**12), 10**12), st.just(currency))


def _details(currency: str):
    return st.builds(
        EntryDetail,
        amount=_signed(currency),
        refs=st.builds(
            References,
            end_to_end=maybe(identifiers),
            tx=maybe(identifiers),
            instr=maybe(identifiers),
            pmtinf=maybe(identifiers),
            msg=maybe(identifiers),
            mandate=maybe(identifiers),
            acct_svcr=maybe(identifiers),
            clearing=maybe(identifiers),
            uetr=st.one_of(st.just(""), uuids.map(str)),
        ),
        bank_code=st.sampled_from(
            [BankCode(), BankCode("PMNT", "ICDT", "ESCT"), BankCode(proprietary="NTRF")]
        ),
        counterparty_name=maybe(text(70)),
        counterparty_iban=maybe(ibans),
        remittance_unstructured=maybe(text(140)),
        remittance_structured=maybe(references),
        return_reason=st.sampled_from(["", "AC04"]),
        purpose=st.sampled_from(["", "SALA"]),
        instructed=st.one_of(st.none(), st.builds(Money, st.integers(1, 10**12), st.just(currency))),
        charges=st.lists(
            st.builds(Charge, _signed(currency), st.sampled_from([None, True, False])), max_size=2
        ).map(tuple),
    )


@st.composite
def statements(draw, kind: str) -> Statement:
    currency = draw(st.sampled_from(["EUR", "CHF", "JPY", "BHD"]))
    entries = [
        StatementEntry(
            position=position,
            amount=draw(_signed(currency)),
            status=draw(st.sampled_from(["BOOK", "PDNG", "INFO"])),
            booking_date=draw(dates),
            value_date=draw(st.one_of(st.none(), dates)),
            refs=References(acct_svcr=draw(maybe(identifiers)), ntry=draw(maybe(identifiers))),
            bank_code=draw(st.sampled_from([BankCode("PMNT", "RCDT", "ESCT"), BankCode(proprietary="NTRF")])),
            reversal=draw(st.booleans()),
            details=draw(st.lists(_details(currency), min_size=2, max_size=3).map(tuple)),
            info=draw(maybe(text(140))),
        )
        for position in range(1, draw(st.integers(1, 4)))
    ]
    iban = draw(ibans)
    balances = draw(
        st.lists(
            st.builds(Balance, st.sampled_from(["OPBD", "CLBD", "CLAV", "ITBD"]), _signed(currency), dates),
            min_size=1,
            max_size=4,
        ).map(tuple)
    )
    return Statement(
        id=draw(identifiers),
        kind=kind,
        account=iban,
        iban=iban,
        currency=currency,
        sequence=str(draw(st.integers(1, 10**15))),
        created_at=draw(moments),
        from_date=date(2026, 1, 1),
        to_date=draw(st.sampled_from([date(2026, 1, 1), date(2026, 1, 31)])),
        bank_bic=draw(maybe(bics)),
        balances=() if kind == "advice" else balances,
        entries=tuple(entries),
    )


def uuid_of(number: int) -> UUID:
    return UUID(int=(number << 80) | (4 << 76) | (8 << 60))
