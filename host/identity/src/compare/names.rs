//! Names: straight and turned, in two scripts, short forms and slips.

use super::levels::name_level;
use super::{Comparer, Field, Found, Level, Statistics};
use crate::features::{Feature, Kind, View, read};
use crate::normalise::given::GivenNames;
use crate::record::Record;
use crate::symbols::{Symbol, Symbols};
use crate::weights::Weights;

/// Names that agree less than this, in thousandths of a bit, are those of two people.
const UNLIKE: i32 = -2_500;

impl Comparer<'_> {
    /// True unless two names are those of two people: another given name that no day of birth makes good, or all of it different. A surname that
    /// was made of a given name does not make up for another one.
    #[must_use]
    pub fn may_be_one(&self, a: &View<'_>, b: &View<'_>) -> bool {
        let mut sum = 0;
        let mut strangers = false;
        // Of names that are compared crosswise: all of them agree, and one so well that slips alone do not explain it.
        let (mut turned, mut agree, mut close) = (false, true, false);
        self.names(a, b, &mut |field, level, bits| {
            sum += bits;
            strangers |= field == Field::Given && level == Level::Apart;
            turned |= field == Field::Order;
            agree &= level != Level::Apart;
            close |= matches!(field, Field::Given | Field::Surname) && level <= Level::Close;
        });
        strangers |= turned && !(agree && close) && self.differ(a.of(Kind::Given), b.of(Kind::Given));
        let birth = match (a.one(Kind::Birth), b.one(Kind::Birth)) {
            (Some(one), Some(other)) => self.birth(one, other).1.max(0),
            _ => 0,
        };
        sum + birth >= UNLIKE && !(strangers && birth == 0)
    }

    pub(super) fn names(&self, a: &View<'_>, b: &View<'_>, reason: &mut impl FnMut(Field, Level, i32)) {
        let (order, chosen) = self.in_order(a, b);
        if let Some(order) = order {
            reason(Field::Order, Level::Turned, order);
        }
        for (field, found) in [Field::Given, Field::Surname].into_iter().zip(chosen) {
            let kind = if field == Field::Given { Kind::Given } else { Kind::Surname };
            let found = found.or_else(|| self.in_address(field, kind, a, b)).or_else(|| self.in_address(field, kind, b, a));
            if let Some((level, bits)) = found {
                reason(field, level, bits);
            }
        }
        if let (Some(one), Some(other)) = (a.one(Kind::Patronymic), b.one(Kind::Patronymic)) {
            let (level, bits) = self.name(Field::Patronymic, one, other);
            reason(Field::Patronymic, level, bits);
        }
    }

    /// Given names and surnames side by side, straight or, where that agrees better, crosswise; and what it says that they had to be turned.
    fn in_order(&self, a: &View<'_>, b: &View<'_>) -> (Option<i32>, [Option<Found>; 2]) {
        let (given, surname) = ((a.of(Kind::Given), b.of(Kind::Given)), (a.of(Kind::Surname), b.of(Kind::Surname)));
        let straight = [self.words(Field::Given, given.0, given.1), self.words(Field::Surname, surname.0, surname.1)];
        let turned = [self.words(Field::Given, given.0, surname.1), self.words(Field::Surname, surname.0, given.1)];
        let sum = |pair: &[Option<Found>; 2]| pair.iter().flatten().map(|it| it.1).sum::<i32>();
        let order = self.bits(Field::Order, Level::Turned, 0.0).1;
        let crosswise = turned.iter().any(Option::is_some) && sum(&turned) + order > sum(&straight);
        if crosswise { (Some(order), turned) } else { (None, straight) }
    }

    /// How well that part of two names agrees which tells the members of a household apart. They share one word of their names; where nobody knows
    /// which, it is the one that agrees better. None where one of them lacks it.
    pub(super) fn own_name(&self, a: &View<'_>, b: &View<'_>) -> Option<Level> {
        let level = |one: &[Feature], other: &[Feature]| self.words(Field::Given, one, other).map(|it| it.0);
        let (given, surname) = ((a.of(Kind::Given), b.of(Kind::Given)), (a.of(Kind::Surname), b.of(Kind::Surname)));
        if self.in_order(a, b).0.is_some() {
            return Some(level(given.0, surname.1)?.max(level(surname.0, given.1)?));
        }
        // Красилева Ирина and Красилева Анна, both with the surname first.
        if self.differ(surname.0, surname.1) {
            return Some(Level::Apart);
        }
        let written = || [(a, b), (b, a)].into_iter().find_map(|(one, other)| self.in_address(Field::Given, Kind::Given, one, other));
        level(given.0, given.1).or_else(|| written().map(|it| it.0))
    }

    /// A name that one record lacks, but that stands in its mail address before the @, and is a name of the other.
    fn in_address(&self, field: Field, kind: Kind, lacking: &View<'_>, other: &View<'_>) -> Option<Found> {
        if !lacking.of(kind).is_empty() {
            return None;
        }
        let address = self.symbols.bytes(lacking.one(Kind::Email)?);
        let local = &address[..address.iter().position(|it| *it == b'@')?];
        let holds = |name: &[u8]| name.len() >= 3 && local.windows(name.len()).any(|it| it == name);
        let named = other
            .of(kind)
            .iter()
            .find(|it| holds(self.symbols.bytes(it.symbol())) || holds(self.symbols.bytes(self.symbols.sound(it.symbol()))))?;
        Some(self.bits(field, Level::Part, self.frequency(named.symbol())))
    }

    /// The best pair of words, and half of what the second best says.
    fn words(&self, field: Field, a: &[Feature], b: &[Feature]) -> Option<Found> {
        if let ([one], [other]) = (a, b) {
            return Some(self.name(field, one.symbol(), other.symbol()));
        }
        let mut pairs: Vec<(Found, usize, usize)> = Vec::new();
        for (at, one) in a.iter().enumerate() {
            for (bt, other) in b.iter().enumerate() {
                pairs.push((self.name(field, one.symbol(), other.symbol()), at, bt));
            }
        }
        pairs.sort_by_key(|((level, bits), at, bt)| (std::cmp::Reverse(*bits), *level, *at, *bt));
        let &(best, at, bt) = pairs.first()?;
        let second = pairs.iter().find(|it| it.1 != at && it.2 != bt).map_or(0, |it| it.0.1 / 2);
        Some((best.0, best.1 + second))
    }

    fn name(&self, field: Field, one: Symbol, other: Symbol) -> Found {
        if one == other {
            let initial = self.symbols.bytes(one).len() == 1;
            return if initial { self.bits(field, Level::Initial, 0.05) } else { self.bits(field, Level::Same, self.frequency(one)) };
        }
        let (sound, heard) = (self.symbols.sound(one), self.symbols.sound(other));
        let often = self.frequency(one).max(self.frequency(other));
        if sound == heard {
            return self.bits(field, Level::Sound, often);
        }
        let (text, heard) = (self.symbols.bytes(sound), self.symbols.bytes(heard));
        if field != Field::Surname {
            match self.forms(one, other) {
                Forms::Same => return self.bits(field, Level::Short, often),
                Forms::Different => return self.bits(field, Level::Apart, often),
                Forms::Unknown => {}
            }
        }
        let mut slips = name_level(text, heard);
        // The sound may hide that only a letter is missing: `joes` sounds unlike `jones`.
        let (text, heard) = (self.symbols.bytes(one), self.symbols.bytes(other));
        if text.is_ascii() && heard.is_ascii() {
            slips = slips.min(name_level(text, heard));
        }
        self.bits(field, slips, often)
    }

    /// True where each of these given names is known to be another than each of those. A surname that was made of one is then no slip of the
    /// fingers: Пётр Иванов is not Иван Петров, nor Анна Петрова Пётр Кузнецов.
    fn differ(&self, these: &[Feature], those: &[Feature]) -> bool {
        let apart = |one: &Feature| those.iter().all(|other| matches!(self.forms(one.symbol(), other.symbol()), Forms::Different));
        !these.is_empty() && !those.is_empty() && these.iter().all(apart)
    }

    /// Whether two given names are forms of one, as far as the shipped list knows both.
    fn forms(&self, one: Symbol, other: Symbol) -> Forms {
        let names = GivenNames::shipped();
        let groups = |it: Symbol| std::str::from_utf8(self.symbols.bytes(it)).map_or(&[][..], |text| names.groups(text));
        let (these, those) = (groups(one), groups(other));
        if these.is_empty() || those.is_empty() {
            Forms::Unknown
        } else if these.iter().any(|it| those.contains(it)) {
            Forms::Same
        } else {
            Forms::Different
        }
    }
}

/// What the list of given names says of two.
enum Forms {
    Same,
    Different,
    /// It does not know both.
    Unknown,
}

/// True unless two names, each in one piece, are those of two people. A name that says nothing is anybody's.
#[must_use]
pub fn same_name(one: &str, other: &str) -> bool {
    static TABLE: std::sync::LazyLock<crate::weights::Table> = std::sync::LazyLock::new(|| Weights::shipped().table());
    if one == other {
        return true;
    }
    let mut symbols = Symbols::default();
    let mut named = |name: &str| read(&Record { full_name: name.to_owned(), ..Record::default() }, "", &mut symbols);
    let (one, other) = (named(one), named(other));
    let comparer = Comparer { symbols: &symbols, table: &TABLE, taken: Statistics::default() };
    comparer.may_be_one(&View::new(&one), &View::new(&other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_persons_names_and_two_peoples() {
        for (one, other) in [
            ("Иван Петров", "Ivan Petrov"),
            ("Ваня Петров", "Петров Иван"),
            ("Анна", ""),
            ("Анна", "Анна Петрова"),
            ("❤", "Bob"),
            ("Щукин Иван", "Ivan Shchukin"),
            ("Smith Bob", "Bob Smith"),
            ("Леннокс Кайл", "Кайл Ленокс"),
        ] {
            assert!(same_name(one, other) && same_name(other, one), "{one}, {other}");
        }
        for (one, other) in [
            ("Иван Петров", "Мария Петрова"),
            ("Иван", "Мария"),
            ("Bob Smith", "Anna Lee"),
            ("Пётр Кузнецов", "Анна Петрова"),
            ("Пётр Иванов", "Иван Петров"),
            ("Petr Ivanov", "Иван Петров"),
            ("John Peterson", "Peter Johnson"),
        ] {
            assert!(!same_name(one, other) && !same_name(other, one), "{one}, {other}");
        }
    }
}
