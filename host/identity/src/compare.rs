//! Two records side by side: how well each field agrees, and what that says.

use serde::{Deserialize, Serialize};

use crate::features::{Feature, Kind, View};
use crate::normalise::date;
use crate::normalise::email;
use crate::normalise::given::GivenNames;
use crate::symbols::{Symbol, Symbols};
use crate::weights::{Table, milli};

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
    /// Another given name, and nothing but what a household shares.
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

/// Names that agree less than this, in thousandths of a bit, are those of two people.
const UNLIKE: i32 = -2_500;

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
        let mut hear = |field: Field, level: Level, bits: i32| {
            total += bits;
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
        if strangers && own == 0 {
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

    /// Compares what identifies.
    fn identify(&self, a: &View<'_>, b: &View<'_>, mut people: impl FnMut(Feature) -> u32, reason: &mut impl FnMut(Field, Level, i32)) {
        for (kind, field) in
            [(Kind::Account, Field::Account), (Kind::Username, Field::Username), (Kind::Phone, Field::Phone), (Kind::Email, Field::Email)]
        {
            let mut best: Option<Found> = None;
            for shared in a.of(kind).iter().filter(|it| b.of(kind).contains(it)) {
                let others = people(*shared).max(1) - 1;
                let level = if others == 0 { Level::Same } else { Level::Shared };
                #[expect(clippy::cast_precision_loss, reason = "a handful")]
                let crowd = if others == 0 { 0 } else { milli((others as f32).log2()) };
                let found = (level, self.bits(field, level, 0.0).1 - crowd);
                best = best.max_by_bits(found);
            }
            if let Some((level, bits)) = best {
                reason(field, level, bits);
            } else {
                self.unequal(field, a, b, reason);
            }
        }
        if let (Some(one), Some(other)) = (a.one(Kind::National), b.one(Kind::National)) {
            let level = if one == other {
                Level::Same
            } else if distance(self.symbols.bytes(one), self.symbols.bytes(other), 1) <= 1 {
                Level::Close
            } else {
                Level::Apart
            };
            reason(Field::National, level, self.bits(Field::National, level, 0.0).1);
        }
    }

    /// Identifying values of which no two are equal.
    fn unequal(&self, field: Field, a: &View<'_>, b: &View<'_>, reason: &mut impl FnMut(Field, Level, i32)) {
        let kinds = match field {
            Field::Email => [Kind::Email, Kind::EmailWeak],
            Field::Phone => [Kind::Phone, Kind::PhoneWeak],
            _ => return,
        };
        let of = |view: &View<'_>| kinds.iter().flat_map(|kind| view.of(*kind).to_vec()).collect::<Vec<_>>();
        let mut best: Option<Found> = None;
        for one in of(a) {
            for other in of(b) {
                let level = if one.symbol() == other.symbol() {
                    Level::Part
                } else if field == Field::Email {
                    email_level(self.symbols.bytes(one.symbol()), self.symbols.bytes(other.symbol()))
                } else {
                    phone_level(self.symbols.bytes(one.symbol()), self.symbols.bytes(other.symbol()))
                };
                let named =
                    level == Level::Part && field == Field::Email && (self.stands_in(one.symbol(), a) || self.stands_in(other.symbol(), b));
                let level = if named { Level::Short } else { level };
                best = best.max_by_bits(self.bits(field, level, self.frequency(one.symbol()).max(self.frequency(other.symbol()))));
            }
        }
        if let Some((level, bits)) = best {
            reason(field, level, bits);
        }
    }

    /// True unless two names are those of two people: another given name that no day of birth makes good, or all of it different.
    #[must_use]
    pub fn may_be_one(&self, a: &View<'_>, b: &View<'_>) -> bool {
        let mut sum = 0;
        let mut strangers = false;
        self.names(a, b, &mut |field, level, bits| {
            sum += bits;
            strangers |= field == Field::Given && level == Level::Apart;
        });
        let birth = match (a.one(Kind::Birth), b.one(Kind::Birth)) {
            (Some(one), Some(other)) => self.birth(one, other).1.max(0),
            _ => 0,
        };
        sum + birth >= UNLIKE && !(strangers && birth == 0)
    }

    fn names(&self, a: &View<'_>, b: &View<'_>, reason: &mut impl FnMut(Field, Level, i32)) {
        let (given, surname) = ((a.of(Kind::Given), b.of(Kind::Given)), (a.of(Kind::Surname), b.of(Kind::Surname)));
        let straight = (self.words(Field::Given, given.0, given.1), self.words(Field::Surname, surname.0, surname.1));
        let turned = (self.words(Field::Given, given.0, surname.1), self.words(Field::Surname, surname.0, given.1));
        let sum = |pair: &(Option<Found>, Option<Found>)| pair.0.map_or(0, |it| it.1) + pair.1.map_or(0, |it| it.1);
        let order = self.bits(Field::Order, Level::Turned, 0.0).1;
        let chosen = if (turned.0.is_some() || turned.1.is_some()) && sum(&turned) + order > sum(&straight) {
            reason(Field::Order, Level::Turned, order);
            turned
        } else {
            straight
        };
        for (field, found) in [(Field::Given, chosen.0), (Field::Surname, chosen.1)] {
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

    /// True of an address that its owner's surname stands in: many people of that name have such a one, each at another provider.
    fn stands_in(&self, address: Symbol, owner: &View<'_>) -> bool {
        let address = self.symbols.bytes(address);
        let holds = |name: &[u8]| name.len() >= 3 && address.windows(name.len()).any(|it| it == name);
        owner
            .of(Kind::Surname)
            .iter()
            .any(|it| holds(self.symbols.bytes(it.symbol())) || holds(self.symbols.bytes(self.symbols.sound(it.symbol()))))
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
    fn birth(&self, one: Symbol, other: Symbol) -> Found {
        let level = if one == other { Level::Same } else { date_level(&self.symbols.text(one), &self.symbols.text(other)) };
        self.bits(Field::Birth, level, self.frequency(one))
    }

    fn places(&self, a: &View<'_>, b: &View<'_>, reason: &mut impl FnMut(Field, Level, i32)) {
        if let Some((level, bits)) = self.street(a.of(Kind::Street), b.of(Kind::Street)) {
            reason(Field::Street, level, bits);
        }
        let mut spoken = false;
        for (kind, field) in [
            (Kind::House, Field::House),
            (Kind::Postcode, Field::Postcode),
            (Kind::City, Field::City),
            (Kind::State, Field::State),
            (Kind::Country, Field::Country),
        ] {
            let (Some(one), Some(other)) = (a.one(kind), b.one(kind)) else { continue };
            let (level, mut bits) = self.word(field, one, other);
            if field != Field::House && bits > 0 {
                if spoken {
                    bits = scale(bits, self.table.hanging);
                }
                spoken = true;
            }
            reason(field, level, bits);
        }
    }

    /// Equal words say what their frequency says, words that nearly agree half of it; how many are left over says the rest.
    fn street(&self, a: &[Feature], b: &[Feature]) -> Option<Found> {
        if a.is_empty() || b.is_empty() {
            return None;
        }
        let mut equal = 0;
        let mut best = 0;
        for one in a {
            let found = b.iter().map(|other| self.word(Field::Street, one.symbol(), other.symbol())).max_by_key(|it| it.1);
            if let Some((level, bits)) = found
                && level != Level::Apart
            {
                equal += 1;
                best = best.max(bits) + best.min(bits) / 4;
            }
        }
        let fewer = a.len().min(b.len());
        let level = if equal == 0 {
            // Words may be parted elsewhere: `mount view`, `moun tview`.
            let joined = |words: &[Feature]| words.iter().flat_map(|it| self.symbols.bytes(it.symbol()).to_vec()).collect::<Vec<u8>>();
            let (one, other) = (joined(a), joined(b));
            if bag(odd_letters(&one, &other), &one, &other) > 0.85 {
                return Some(self.bits(Field::Street, Level::Near, 0.0));
            }
            Level::Apart
        } else if equal >= fewer {
            Level::Same
        } else {
            Level::Part
        };
        Some(if level == Level::Apart { self.bits(Field::Street, Level::Apart, 0.0) } else { (level, best) })
    }

    /// A word of an address or a company.
    fn word(&self, field: Field, one: Symbol, other: Symbol) -> Found {
        if one == other {
            return self.bits(field, Level::Same, self.frequency(one));
        }
        let often = self.frequency(one).max(self.frequency(other));
        let (text, heard) = (self.symbols.bytes(one), self.symbols.bytes(other));
        let level = match field {
            Field::Postcode | Field::House => code_level(text, heard),
            _ => name_level(text, heard),
        };
        self.bits(field, level, often)
    }
}

/// What the list of given names says of two.
enum Forms {
    Same,
    Different,
    /// It does not know both.
    Unknown,
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

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "thousandths of a few bits")]
fn scale(bits: i32, by: f32) -> i32 {
    (bits as f32 * by) as i32
}

/// Slips of the fingers between two texts: letters changed, left out, added, or exchanged with their neighbour; `most + 1` where there are more.
fn distance(a: &[u8], b: &[u8], most: usize) -> usize {
    if a.len().abs_diff(b.len()) > most {
        return most + 1;
    }
    rapidfuzz::distance::osa::distance(a.iter().copied(), b.iter().copied())
}

/// How many letters only one of two texts has, wherever they stand. A slip adds two at most. Letters count by their lowest five bits, which keeps
/// those of the alphabet apart.
fn odd_letters(a: &[u8], b: &[u8]) -> usize {
    let mut letters = [0_i8; 32];
    for it in a {
        let count = &mut letters[usize::from(it & 31)];
        *count = count.saturating_add(1);
    }
    for it in b {
        let count = &mut letters[usize::from(it & 31)];
        *count = count.saturating_sub(1);
    }
    letters.iter().map(|it| usize::from(it.unsigned_abs())).sum()
}

/// What part of their letters two texts have in common, wherever they stand: 1 where one is the other scrambled.
#[expect(clippy::cast_precision_loss, reason = "lengths of words")]
fn bag(odd: usize, a: &[u8], b: &[u8]) -> f32 {
    1.0 - odd as f32 / (a.len() + b.len()).max(1) as f32
}

fn name_level(a: &[u8], b: &[u8]) -> Level {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.is_empty() {
        return Level::Apart;
    }
    if short.len() == 1 {
        return if long[0] == short[0] { Level::Initial } else { Level::Apart };
    }
    let odd = odd_letters(a, b);
    let bag = bag(odd, a, b);
    // Most pairs have so little in common that there is nothing to count.
    let slips = if odd > 6 { 4 } else { distance(a, b, 3) };
    let close = usize::from(long.len() >= 4);
    if slips <= close {
        return Level::Close;
    }
    if long.len() >= 4 && bag > 0.99 {
        return Level::Close;
    }
    if (slips <= 3 && slips * 3 <= long.len()) || (short.len() >= 4 && long.starts_with(short)) {
        return Level::Near;
    }
    if (long.len() >= 5 && bag >= 0.8) || (long.len() == 4 && slips <= 2 && bag >= 0.85) {
        return Level::Near;
    }
    Level::Apart
}

fn code_level(a: &[u8], b: &[u8]) -> Level {
    if distance(a, b, 1) <= 1 && a.len().max(b.len()) >= 3 {
        return Level::Close;
    }
    let shared = a.iter().zip(b).take_while(|(one, other)| one == other).count();
    if shared >= 2 && shared * 2 >= a.len().max(b.len()) { Level::Part } else { Level::Apart }
}

fn email_level(a: &[u8], b: &[u8]) -> Level {
    let at = |it: &[u8]| it.iter().position(|it| *it == b'@').unwrap_or(it.len());
    let ((one, here), (other, there)) = (a.split_at(at(a)), b.split_at(at(b)));
    let domain = |it: &[u8]| std::str::from_utf8(it.get(1..).unwrap_or_default()).is_ok_and(email::is_mailbox_provider);
    if domain(here) && domain(there) {
        // Millions have mailboxes there, named after their owners: two of them differ by a number.
        let digits = |it: &[u8]| it.iter().copied().filter(u8::is_ascii_digit).collect::<Vec<u8>>();
        return if one == other && one.len() >= 5 {
            Level::Part
        } else if here == there && one.len() >= 6 && digits(one) == digits(other) && distance(one, other, 1) <= 1 {
            Level::Close
        } else {
            Level::Apart
        };
    }
    let slips = distance(a, b, 8);
    if slips <= 2 {
        Level::Close
    } else if one == other && one.len() >= 5 {
        Level::Part
    } else if slips <= 8 && slips * 3 <= a.len().max(b.len()) {
        Level::Near
    } else {
        Level::Apart
    }
}

fn phone_level(a: &[u8], b: &[u8]) -> Level {
    let tail = |it: &[u8]| it[it.len().saturating_sub(10)..].to_vec();
    let (one, other) = (tail(a), tail(b));
    if one == other {
        Level::Part
    } else if distance(&one, &other, 1) <= 1 {
        Level::Close
    } else {
        Level::Apart
    }
}

fn date_level(a: &str, b: &str) -> Level {
    let (Some(year), Some(others)) = (a.get(..4), b.get(..4)) else { return Level::Apart };
    if year == others && a.get(4..6) == b.get(6..8) && a.get(6..8) == b.get(4..6) {
        return Level::Turned;
    }
    let slips = distance(a.as_bytes(), b.as_bytes(), 2);
    if slips <= 1 {
        return Level::Close;
    }
    if (date::days(a) - date::days(b)).abs() <= 62 {
        return Level::Shifted;
    }
    // A year mistyped by one digit, and the day a few weeks off.
    let year_slips = distance(year.as_bytes(), others.as_bytes(), 1);
    let apart = (date::days(a) - date::days(b)).rem_euclid(365);
    if slips <= 2 || a.get(4..) == b.get(4..) || (year_slips <= 1 && apart.min(365 - apart) <= 45) {
        return Level::Near;
    }
    if year == others { Level::Part } else { Level::Apart }
}
