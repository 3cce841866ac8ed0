//! Fields of a lead that several may change: people in the hub, people in each CRM. Every word stays; what the lead shows is chosen among those
//! that no later word has answered.
//!
//! The order of words is that of knowledge, not of clocks. Words about a lead are numbered as the hub hears them. A write carries the number of the
//! last word that the hub knew when it made it (its version), and the receipt says that the sink's record holds it. So a word of a sink's people answers
//! what they had before them: their own words, and all up to the version that their record had taken. What people in the hub decide answers all that
//! was heard. Only words of which neither was said upon the other are in conflict: the more trusted source holds (`survivorship`), then the later one
//! by what their clocks say, and a decision made here answers what was said before it. Whatever is not shown is kept.
//!
//! A record always tells all of its fields. What it told before, and what the hub wrote into it, is nobody's word. Only while a write is under way
//! can these two be mixed up; the receipt, which tells what stood there before, settles that.
//!
//! What a record says of the lead's person is heard in the same way, and is no conflict of sources: the last word of its people is what a contact of theirs
//! claims (`ingest/planner/records`), and which claim is shown is survivorship's.
//!
//! `fields` compares values, `words` keeps and chooses them, `hear` takes what is told, decided and written, `reach` tells who put which phone there.

mod fields;
mod hear;
#[cfg(test)]
mod person_tests;
mod reach;
#[cfg(test)]
mod tests;
mod words;

pub use fields::{Field, agree, alike, is_empty, person_of, put, show, shown, texts, told, values};
pub use hear::{Heard, News, Stood, Telling, Writing, decide, hear, wrote};
pub use words::{By, Crossed, HUB, Saying, Sayings, Shows, Source, Sources, Word, overruled, settled, version};
