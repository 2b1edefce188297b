"""The customers: set against bag semantics, nulls, and small domains that nest by chance."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lakebed.data_samples.layouts import CsvFile, DeltaTable, JsonLines, ParquetFile
from lakebed.data_samples.model import Claim, Family, SampleTable, copies, replaced
from lakebed.data_samples.randomness import generator, picked

N_CUSTOMERS = 5_000
_NAMES = ["Ada", "Björn", "Chloë", "D'Arcy", 'Eve "E."', "Łukasz", "Smith, Jo", "Zoë 🌍"]


def customers(seed: int) -> Family:
    """A table without duplicates, copies of it with some, and projections in which rows repeat."""
    data = _customers(seed)
    first, last = data.slice(0, 200), data.slice(200)
    mail = data.select(["city", "segment"])
    cities = mail.group_by(["city", "segment"], use_threads=False).aggregate([])
    # as many rows as the list, one of them too often: only counting tells
    shifted = pa.concat_tables([mail.slice(1), mail.slice(_other_row(mail), 1)]).combine_chunks()
    doubled = pa.concat_tables([first, data]).combine_chunks()
    recent = data.slice(4_000)
    tables = (
        SampleTable("crm/customers", data, DeltaTable(), "all customers"),
        SampleTable("crm/customers_loaded_twice", doubled, ParquetFile(), "all customers, 200 of them twice"),
        SampleTable("crm/customers_without_first", last, ParquetFile(), "all customers but 200"),
        SampleTable("exports/mailing_list", mail, ParquetFile(), "two columns of all customers"),
        SampleTable("exports/mailing_list_shifted", shifted, ParquetFile(), "the list, one row gone, one doubled"),
        SampleTable("reference/cities", cities, JsonLines(), "the distinct rows of the mailing list"),
        SampleTable("exports/customers_full", data, CsvFile(ending=".csv.gz"), "all customers as text"),
        SampleTable("exports/customers_new", recent, CsvFile("\t", ending=".tsv"), "the newest thousand as text"),
    )
    return Family(tables, tuple(_customer_claims()))


def _customers(seed: int) -> pa.Table:
    rng = generator(seed, "customers")
    days = rng.integers(0, 3_000, N_CUSTOMERS)
    return pa.table(
        {
            "customer_no": pa.array(np.arange(1, N_CUSTOMERS + 1)),
            "first_name": picked(rng, _NAMES, N_CUSTOMERS),
            "city": picked(rng, ["Berlin", "Köln", "São Paulo", "Lyon", "Gent"], N_CUSTOMERS),
            "segment": picked(rng, ["private", "business", None], N_CUSTOMERS),
            "signed_up": pa.array([date(2015, 1, 1) + timedelta(days=int(day)) for day in days]),
        }
    )


def _other_row(mail: pa.Table) -> int:
    """A row that differs from the first."""
    rows = mail.to_pylist()
    return next(position for position, row in enumerate(rows) if row != rows[0])


def _customer_claims() -> list[Claim]:
    return [
        *copies("the same rows as text", "crm/customers", "exports/customers_full"),
        Claim("crm/customers", "crm/customers_loaded_twice", "all its rows, once"),
        Claim("crm/customers_loaded_twice", "crm/customers", "the same rows, 200 of them too often", is_bag=False),
        Claim("crm/customers_without_first", "crm/customers", "all its rows but 200"),
        Claim("exports/customers_new", "crm/customers_without_first", "its last thousand rows"),
        Claim("exports/mailing_list", "crm/customers", "two columns of all its rows"),
        Claim("exports/mailing_list", "crm/customers_without_first", "its pairs occur there, less often", is_bag=False),
        Claim("exports/mailing_list", "exports/customers_new", "its pairs occur there, less often", is_bag=False),
        Claim("exports/mailing_list", "exports/mailing_list_shifted", "one row occurs less often", is_bag=False),
        Claim("exports/mailing_list_shifted", "exports/mailing_list", "one row occurs too often", is_bag=False),
        Claim("exports/mailing_list_shifted", "crm/customers_loaded_twice", "200 rows to spare cover the double one"),
        Claim("exports/mailing_list", "reference/cities", "its rows repeat there only once", is_bag=False),
        Claim("reference/cities", "exports/mailing_list", "each of its rows, once"),
        Claim("reference/cities", "exports/mailing_list_shifted", "each of its rows, once"),
        Claim("reference/cities", "exports/customers_new", "each of its rows occurs there"),
    ]


def contacts(seed: int) -> Family:
    """Nulls: in either column, in all, and what looks like null. Both columns have the same range of values."""
    rng = generator(seed, "contacts")
    numbers = [f"+49 30 {number:06d}" for number in range(900)]
    kinds = ["both", *rng.choice(["both", "home", "work"], 898), "both"]
    home = [None if kind == "work" else number for kind, number in zip(kinds, numbers, strict=True)]
    work = [None if kind == "home" else number for kind, number in zip(kinds, numbers, strict=True)]
    data = pa.table({"home_phone": home, "work_phone": work})
    complete = data.filter(pa.array([kind == "both" for kind in kinds]))
    blank = replaced(data, "home_phone", [phone or "" for phone in home])
    swapped = pa.table({"home_phone": work, "work_phone": home})
    nothing = pa.table({"home_phone": pa.nulls(3, pa.string()), "work_phone": pa.nulls(3, pa.string())})
    tables = (
        SampleTable("crm/contacts", data, ParquetFile(), "contacts, some with one phone only"),
        SampleTable("crm/contacts_complete", complete, JsonLines(), "the contacts with both phones"),
        SampleTable("crm/contacts_blank", blank, ParquetFile(), "empty strings in the place of nulls"),
        SampleTable("crm/contacts_swapped", swapped, ParquetFile(), "the two columns, and so their nulls, swapped"),
        SampleTable("crm/contacts_none", data.slice(0, 0), ParquetFile(), "a table without rows"),
        SampleTable("crm/contacts_lost", nothing, ParquetFile(), "a table whose cells are all null"),
    )
    holders = ("crm/contacts", "crm/contacts_blank", "crm/contacts_swapped")
    claims = [Claim("crm/contacts_complete", holder, "its rows with both phones") for holder in holders]
    return Family(tables, tuple(claims))


def ages(seed: int) -> Family:
    """Columns of small integers, contained in one another by chance."""
    rng = generator(seed, "ages")
    survey = pa.table({"age": pa.array(np.repeat(np.arange(20, 60), 3))})
    patients = np.concatenate([np.repeat(np.arange(0, 90), 4), rng.integers(0, 90, 2_000)])
    doses = rng.integers(1, 5, len(patients))
    clinic = pa.table({"age": pa.array(patients), "dose": pa.array(doses)})
    staff = pa.table({"age": pa.array(np.repeat(np.arange(18, 66), 5)), "grade": pa.array(rng.integers(1, 9, 240))})
    tables = (
        SampleTable("survey/ages", survey, ParquetFile(), "ages from a survey, 20 to 59"),
        SampleTable("clinic/patients", clinic, ParquetFile(), "patients of each age"),
        SampleTable("hr/staff", staff, ParquetFile(), "employees from 18 to 65"),
    )
    claims = (
        Claim("survey/ages", "clinic/patients", "by chance: both hold small integers"),
        Claim("survey/ages", "hr/staff", "by chance: both hold small integers"),
    )
    return Family(tables, claims)
