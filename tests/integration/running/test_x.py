from django.db import connection


def test_a(db, owner_sql):
    with connection.cursor() as c:
        c.execute("select current_user, current_database()")
        print(c.fetchone())
    print(owner_sql("select count(*) from information_schema.tables where table_schema='public'"))


def test_b(db):
    pass


def test_c(db, in_threads):
    def f(i):
        with connection.cursor() as c:
            c.execute("select %s::int", [i])
            return c.fetchone()[0]

    assert in_threads(f, range(20)) == list(range(20))
