//! Labelled files: a record a line, and whose it is.

use std::io::Read;

use rustc_hash::FxHashMap;

use crate::record::{Assurance, Record, Said};

/// A labelled record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The file's name of the record.
    pub id: String,
    /// Whose it is, as a number: equal numbers are one person.
    pub person: u32,
    /// What is said.
    pub record: Record,
}

/// A labelled file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labelled {
    /// Its rows in the file's order.
    pub rows: Vec<Row>,
}

/// Why a labelled file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LabelledError {
    /// It is no CSV.
    #[error("the labelled file is no sound CSV")]
    Csv(#[from] csv::Error),
    /// A column that scoring needs is missing.
    #[error("the labelled file has no column `{0}`: `record_id` and `cluster_id` must be there, all others may be missing")]
    Column(&'static str),
}

impl Labelled {
    /// Reads a whole file; see [`rows`].
    pub fn read(source: impl Read) -> Result<Self, LabelledError> {
        Ok(Self { rows: rows(source)?.collect::<Result<_, _>>()? })
    }
}

/// Columns beside the record's id and its label.
const COLUMNS: [&str; 14] = [
    "given_name",
    "surname",
    "full_name",
    "phone",
    "email",
    "messenger_id",
    "street",
    "city",
    "postcode",
    "state",
    "country",
    "birth_date",
    "company",
    "national_id",
];

/// Reads CSV row by row. Its first line names the columns: `record_id, cluster_id, given_name, surname, full_name, phone, email, messenger_id, street,
/// city, postcode, state, country, birth_date, company, national_id`, in any order. Other columns are left out. A `messenger_id` is `scope:id`. Several
/// phones or addresses in one cell stand apart by `;` or `|`.
pub fn rows<R: Read>(source: R) -> Result<impl Iterator<Item = Result<Row, LabelledError>>, LabelledError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(source);
    let header = reader.headers()?.clone();
    let column = |name: &str| header.iter().position(|it| it.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name));
    let id = column("record_id").ok_or(LabelledError::Column("record_id"))?;
    let label = column("cluster_id").ok_or(LabelledError::Column("cluster_id"))?;
    let columns = COLUMNS.map(column);
    let mut people: FxHashMap<String, u32> = FxHashMap::default();
    Ok(reader.into_records().map(move |line| {
        let line = line?;
        let next = u32::try_from(people.len()).unwrap_or(u32::MAX);
        let person = *people.entry(line.get(label).unwrap_or_default().to_owned()).or_insert(next);
        let record = record(|at| columns[at].and_then(|it| line.get(it)).unwrap_or_default());
        Ok(Row { id: line.get(id).unwrap_or_default().to_owned(), person, record })
    }))
}

fn record<'a>(cell: impl Fn(usize) -> &'a str) -> Record {
    let text = |at: usize| cell(at).to_owned();
    let handle = |it: &str| {
        it.split_once(':').map_or_else(|| ("messenger".to_owned(), it.to_owned()), |(scope, id)| (scope.to_owned(), id.to_owned()))
    };
    Record {
        given_name: text(0),
        surname: text(1),
        full_name: text(2),
        phones: said(cell(3)),
        emails: said(cell(4)),
        handles: many(cell(5)).map(handle).collect(),
        street: text(6),
        city: text(7),
        postcode: text(8),
        state: text(9),
        country: text(10),
        birth_date: text(11),
        company: text(12),
        national_id: text(13),
    }
}

fn many(cell: &str) -> impl Iterator<Item = &str> {
    cell.split([';', '|']).map(str::trim).filter(|it| !it.is_empty())
}

fn said(cell: &str) -> Vec<Said> {
    many(cell).map(|it| Said { value: it.to_owned(), assurance: Assurance::Vendor }).collect()
}
