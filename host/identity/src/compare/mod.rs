//! Two records side by side: how well each field agrees, and what that says.

mod identities;
mod levels;
mod names;
mod places;
mod words;

use serde::{Deserialize, Serialize};

use crate::features::{Feature, Kind, View};
use crate::symbols::{Symbol, Symbols};
use crate::weights::{Table, milli};

pub use names::same_name;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Field {
    /// Given name.
    Given,
    /// Surname.
    Surname,
    /// Patronymic.
    Patronymic,
    /// Given name and surname have changed places.
    Order,
    /// Day of birth.
    Birth,
    /// Mail address.
    Email,
    /// Phone.
    Phone,
    /// Messenger account.
    Account,
    /// Messenger name.
    Username,
    /// National id.
    National,
    /// Words of the street.
    Street,
    /// Number of the house.
    House,
    /// City.
    City,
    /// Postcode.
    Postcode,
    /// State.
    State,
    /// Country.
    Country,
    /// Company.
    Company,
    /// What a household shares, and the given name, by which it is told who of them it is.
    Household,
    /// A name, perhaps in one city, and nothing else.
    Namesake,
}

/// How many fields there are.
pub const FIELDS: usize = 19;

/// How well a field agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Level {
    /// Equal.
    Same,
    /// Equal to the ear: transliterated, a woman's ending, another spelling.
    Sound,
    /// A short form of the other.
    Short,
    /// One slip of the fingers apart.
    Close,
    /// A few slips apart.
    Near,
    /// One is the other's initial.
    Initial,
    /// Some part is equal.
    Part,
    /// Day and month have changed places.
    Turned,
    /// A few weeks apart.
    Shifted,
    /// Equal, but several people are known by this value.
    Shared,
    /// Different.
    Apart,
}

/// How many levels there are.
pub const LEVELS: usize = 11;

/// One reason of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The field.
    pub field: Field,
    /// How well it agrees.
    pub level: Level,
    /// What that says, in thousandths of a bit: positive for one person, negative for two.
    pub milli: i32,
}

/// What is needed to compare.
pub struct Comparer<'a> {
    /// Texts and their frequencies.
    pub symbols: &'a Symbols,
    /// Weights.
    pub table: &'a Table,
    /// What the frequencies are of.
    pub taken: Statistics,
}

/// What was known of all records when statistics were taken.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Statistics {
    /// Records.
    pub records: f32,
    /// People, as far as they were told apart: each value counts once for each of them.
    pub people: f32,
    /// How many other records of its person a record has on average.
    pub doubles: f32,
}

/// The value that a record holds of a field, with the level at which two agree.
type Found = (Level, i32);

impl Comparer<'_> {
    fn population(&self) -> f32 {
        self.taken.people + self.table.population
    }

    /// The odds against two records being one person, before anything is compared.
    fn against(&self) -> f32 {
        (self.taken.records + self.table.population) / (self.taken.doubles.clamp(0.0, 8.0) + 0.5)
    }

    /// The odds that two records are one person before anything is compared, in thousandths of a bit.
    #[must_use]
    pub fn prior(&self) -> i32 {
        -milli(self.against().log2())
    }

    /// What part of other people's records holds a value.
    #[expect(clippy::cast_precision_loss, reason = "a count of people is an estimate")]
    fn frequency(&self, symbol: Symbol) -> f32 {
        // The person that is looked for holds it anyway.
        (self.symbols.settled(symbol).saturating_sub(1) as f32 + self.table.unseen) / self.population()
    }

    fn bits(&self, field: Field, level: Level, frequency: f32) -> Found {
        (level, self.table.bits(field, level, frequency, self.against()))
    }

    /// The odds that two records are one person, in thousandths of a bit; `people` tells how many people are known by an identifying value.
    pub fn compare(
        &self,
        a: &View<'_>,
        b: &View<'_>,
        people: impl FnMut(Feature) -> u32,
        mut reason: impl FnMut(Field, Level, i32),
    ) -> i32 {
        let mut total = self.prior();
        let mut strangers = false;
        // What is neither name nor place; and of that, what a household does not share.
        let (mut telling, mut own, mut place) = (0, 0, 0);
        let mut household = Household::default();
        let mut hear = |field: Field, level: Level, bits: i32| {
            total += bits;
            household.hear(field, level, bits);
            match field {
                Field::Given => strangers = level == Level::Apart,
                _ if bits <= 0 => {}
                Field::Surname | Field::Order => {}
                Field::City | Field::State | Field::Country => place += bits,
                Field::Birth | Field::National | Field::Account | Field::Patronymic => {
                    telling += bits;
                    own += bits;
                }
                _ => telling += bits,
            }
            reason(field, level, bits);
        };
        self.describe(a, b, &mut hear);
        self.identify(a, b, people, &mut hear);
        if household.is_likely {
            let (level, given) = self.own_name(a, b).map_or((Level::Shared, 0), |level| self.bits(Field::Household, level, 0.0));
            let most = self.prior() + self.bits(Field::Phone, Level::Shared, 0.0).1 + given + household.own;
            if total > most {
                reason(Field::Household, level, most - total);
                total = most;
            }
        } else if strangers && own == 0 {
            let (level, bits) = self.bits(Field::Household, Level::Apart, 0.0);
            reason(Field::Household, level, bits);
            total += bits;
        }
        if telling == 0 && place > 0 {
            let (level, bits) = self.bits(Field::Namesake, Level::Part, 0.0);
            reason(Field::Namesake, level, bits);
            total += bits;
        }
        // A name alone is never enough.
        let most = self.table.merge - 1_000;
        if telling + place == 0 && total > most {
            reason(Field::Namesake, Level::Apart, most - total);
            total = most;
        }
        total
    }

    /// Compares everything but what identifies; `reason` hears of each field that both hold.
    fn describe(&self, a: &View<'_>, b: &View<'_>, reason: &mut impl FnMut(Field, Level, i32)) {
        self.names(a, b, reason);
        if let (Some(one), Some(other)) = (a.one(Kind::Birth), b.one(Kind::Birth)) {
            let (level, bits) = self.birth(one, other);
            reason(Field::Birth, level, bits);
        }
        self.places(a, b, reason);
        if let (Some(one), Some(other)) = (a.one(Kind::Company), b.one(Kind::Company)) {
            let (level, bits) = self.word(Field::Company, one, other);
            reason(Field::Company, level, bits);
        }
    }

    fn birth(&self, one: Symbol, other: Symbol) -> Found {
        let level = if one == other { Level::Same } else { levels::date_level(&self.symbols.text(one), &self.symbols.text(other)) };
        self.bits(Field::Birth, level, self.frequency(one))
    }
}

/// The other way to explain two records with a phone that several people are known by: they are two members of one household, who share surname and
/// place as well, however rare these are. What speaks against that is their own alone. A mail address is shared more seldom than names are mangled.
#[derive(Debug, Default)]
struct Household {
    /// They have such a phone.
    is_likely: bool,
    /// What all says that no household shares, but the given name.
    own: i32,
}

impl Household {
    fn hear(&mut self, field: Field, level: Level, bits: i32) {
        match (field, level) {
            (Field::Phone, Level::Shared) => self.is_likely = true,
            (Field::Birth | Field::National | Field::Account | Field::Patronymic, _)
            | (Field::Phone | Field::Email | Field::Username, Level::Same | Level::Apart) => self.own += bits,
            _ => {}
        }
    }
}

trait Best {
    fn max_by_bits(self, other: Found) -> Self;
}

impl Best for Option<Found> {
    fn max_by_bits(self, other: Found) -> Self {
        match self {
            Some(found) if found.1 >= other.1 => Some(found),
            _ => Some(other),
        }
    }
}
