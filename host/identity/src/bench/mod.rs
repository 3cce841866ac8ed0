//! How right the engine is on a file of which it is known who is who.

mod generate;
mod labelled;
mod measure;
mod words;

pub use generate::generate;
pub use labelled::{Labelled, LabelledError, Row, rows};
pub use measure::{Pairs, Report, record_id, run};
