"""What a bank drops into the folder is taken in, matched, and put aside; what is wrong waits with its reason."""

from apps.reconciliation.tasks import take_in_statements


def test_files_are_taken_in_and_refused_ones_put_aside_with_the_reason(bank, merchant, tmp_path, settings):
    settings.BANK_INCOMING_DIR = tmp_path
    bank.books(12_345, remittance=merchant.account)
    (tmp_path / "a.camt.053.xml").write_bytes(bank.statement())
    (tmp_path / "b.mt940").write_bytes(b":20:NO STATEMENT\r\n:25:nothing")
    (tmp_path / ".c.mt940.part").write_bytes(b"still being written")
    (tmp_path / "d.txt").write_bytes(b"not for us")

    take_in_statements()

    assert bank.cash() == 12_345
    assert sorted(path.name for path in (tmp_path / "done").iterdir()) == ["a.camt.053.xml"]
    (reason,) = (tmp_path / "refused").glob("*.reason.txt")
    assert reason.name.startswith("b.mt940") and ":" in reason.read_text()
    assert (tmp_path / "d.txt").exists() and (tmp_path / ".c.mt940.part").exists()


def test_the_same_file_again_changes_nothing(bank, merchant, tmp_path, settings):
    settings.BANK_INCOMING_DIR = tmp_path
    bank.books(12_345, remittance=merchant.account)
    data = bank.statement()
    for _ in range(2):
        (tmp_path / "a.camt.053.xml").write_bytes(data)
        take_in_statements()

    assert bank.cash() == 12_345
    assert len(list((tmp_path / "done").iterdir())) == 2
