//! What one source says of one person.

use serde::{Deserialize, Serialize};

/// Names a record for ever. Two records of one id are one record, whoever sends it how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordId(pub u128);

/// How far a value can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// It was read out of a text: it is compared, and identifies nobody.
    Written,
    /// The person, or whoever typed for them, said so.
    #[default]
    Stated,
    /// The vendor vouches for it: a number that sent a message, an account that signed in.
    Vendor,
}

/// A value that was said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Said {
    /// As it was written.
    pub value: String,
    /// How far it can be believed.
    pub assurance: Assurance,
}

/// What one source says of one person, as it was written. Whatever is not known is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Given name, where it was said apart from the surname.
    pub given_name: String,
    /// Surname, where it was said apart.
    pub surname: String,
    /// The name in one piece, where the parts were not said apart.
    pub full_name: String,
    /// Phone numbers.
    pub phones: Vec<Said>,
    /// Mail addresses.
    pub emails: Vec<Said>,
    /// Messenger ids: the scope that issued it, and the id.
    pub handles: Vec<(String, String)>,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// Postcode.
    pub postcode: String,
    /// State or region.
    pub state: String,
    /// Country.
    pub country: String,
    /// Day of birth.
    pub birth_date: String,
    /// Company.
    pub company: String,
    /// National, tax or insurance id.
    pub national_id: String,
}
