//! How right the engine is on a file of which it is known who is who.

mod labelled;
mod measure;

pub use labelled::{Labelled, LabelledError, Row};
pub use measure::{Pairs, Report, record_id, run};
