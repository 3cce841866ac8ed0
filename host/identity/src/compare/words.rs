//! Reasons in words, for people.

use super::{Field, Level, Reason};

impl Field {
    /// What it is called.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Given => "given name",
            Self::Surname => "surname",
            Self::Patronymic => "patronymic",
            Self::Order => "given name and surname",
            Self::Birth => "day of birth",
            Self::Email => "e-mail address",
            Self::Phone => "phone",
            Self::Account => "messenger account",
            Self::Username => "messenger name",
            Self::National => "national id",
            Self::Street => "street",
            Self::House => "house number",
            Self::City => "city",
            Self::Postcode => "postcode",
            Self::State => "state",
            Self::Country => "country",
            Self::Company => "company",
            Self::Household => "household",
            Self::Namesake => "no more than a name",
        }
    }
}

impl Level {
    /// How well the field agrees.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Same => "the same",
            Self::Sound => "sounds the same",
            Self::Short => "one is short for the other",
            Self::Close => "one slip apart",
            Self::Near => "a few slips apart",
            Self::Initial => "one is the other's initial",
            Self::Part => "partly the same",
            Self::Turned => "have changed places",
            Self::Shifted => "a few weeks apart",
            Self::Shared => "the same, but it is several people's",
            Self::Apart => "different",
        }
    }
}

impl Reason {
    /// What it says: `phone: the same`.
    #[must_use]
    pub fn words(&self) -> String {
        match (self.field, self.level) {
            (Field::Household, Level::Apart) => "another given name, and nothing but what a household shares".to_owned(),
            (Field::Household, Level::Shared) => "no given name says who of those who share the phone it is".to_owned(),
            (Field::Household, _) => "surname and place say nothing of who of those who share the phone it is".to_owned(),
            (Field::Namesake, Level::Apart) => "a name alone joins nobody".to_owned(),
            (Field::Namesake, _) => "a name and a place, which namesakes share".to_owned(),
            (Field::Phone, Level::Part) => "phone: the same, but on a line that several may answer, or read out of a text".to_owned(),
            (Field::Email, Level::Part) => "e-mail address: the same before the @, or one that several may read".to_owned(),
            (field, level) => format!("{}: {}", field.words(), level.words()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_short_sentence() {
        let words = |field, level| Reason { field, level, milli: 0 }.words();
        assert_eq!(words(Field::Surname, Level::Sound), "surname: sounds the same");
        assert_eq!(words(Field::Namesake, Level::Apart), "a name alone joins nobody");
        assert!(words(Field::Phone, Level::Part).contains("several"));
    }
}
