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
    /// Two rows have one id.
    #[error("the labelled file has the record `{0}` twice")]
    Twice(String),
}

impl Labelled {
    /// Reads CSV whose first line names the columns: `record_id, cluster_id, given_name, surname, full_name, phone, email, messenger_id, street, city,
    /// postcode, state, country, birth_date, company, national_id`, in any order. Other columns are left out. A `messenger_id` is `scope:id`.
    /// Several phones or addresses in one cell stand apart by `;` or `|`.
    pub fn read(source: impl Read) -> Result<Self, LabelledError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(source);
        let header = reader.headers()?.clone();
        let column = |name: &str| header.iter().position(|it| it.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name));
        let id = column("record_id").ok_or(LabelledError::Column("record_id"))?;
        let person = column("cluster_id").ok_or(LabelledError::Column("cluster_id"))?;
        let names = [
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
        let columns = names.map(column);
        let mut people: FxHashMap<String, u32> = FxHashMap::default();
        let mut ids: rustc_hash::FxHashSet<String> = rustc_hash::FxHashSet::default();
        let mut rows = Vec::new();
        for line in reader.records() {
            let line = line?;
            let cell = |at: usize| columns[at].and_then(|it| line.get(it)).unwrap_or_default().to_owned();
            let id = line.get(id).unwrap_or_default().to_owned();
            if !ids.insert(id.clone()) {
                return Err(LabelledError::Twice(id));
            }
            let next = u32::try_from(people.len()).unwrap_or(u32::MAX);
            let person = *people.entry(line.get(person).unwrap_or_default().to_owned()).or_insert(next);
            let record = Record {
                given_name: cell(0),
                surname: cell(1),
                full_name: cell(2),
                phones: said(&cell(3)),
                emails: said(&cell(4)),
                handles: many(&cell(5))
                    .map(|it| it.split_once(':').map_or_else(|| ("messenger".into(), it.into()), |(scope, id)| (scope.into(), id.into())))
                    .collect(),
                street: cell(6),
                city: cell(7),
                postcode: cell(8),
                state: cell(9),
                country: cell(10),
                birth_date: cell(11),
                company: cell(12),
                national_id: cell(13),
            };
            rows.push(Row { id, person, record });
        }
        Ok(Self { rows })
    }
}

fn many(cell: &str) -> impl Iterator<Item = &str> {
    cell.split([';', '|']).map(str::trim).filter(|it| !it.is_empty())
}

fn said(cell: &str) -> Vec<Said> {
    many(cell).map(|it| Said { value: it.to_owned(), assurance: Assurance::Vendor }).collect()
}
