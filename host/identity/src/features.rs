//! A record in the form that is compared: a short list of numbers.

use crate::normalise::email::Reach;
use crate::normalise::handle::{Handle, handle};
use crate::normalise::phone::Line;
use crate::normalise::{date, email, name, phone, place};
use crate::record::{Assurance, Record};
use crate::symbols::{Domain, Symbol, Symbols};

/// What a feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A word of the given name.
    Given,
    /// A word of the surname.
    Surname,
    /// The patronymic.
    Patronymic,
    /// The day of birth.
    Birth,
    /// An address of one person.
    Email,
    /// An address of a role or of a minute, one that was read out of a text, or no valid address: it is compared, and identifies nobody.
    EmailWeak,
    /// A phone of one person.
    Phone,
    /// A landline, one that was read out of a text, or no valid number: it is compared, and identifies nobody.
    PhoneWeak,
    /// A messenger account.
    Account,
    /// A messenger name that can pass to somebody else.
    Username,
    /// A national id.
    National,
    /// Number of the house.
    House,
    /// A word of the street.
    Street,
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
}

/// How many kinds there are.
pub const KINDS: usize = 18;
const ALL: [Kind; KINDS] = [
    Kind::Given,
    Kind::Surname,
    Kind::Patronymic,
    Kind::Birth,
    Kind::Email,
    Kind::EmailWeak,
    Kind::Phone,
    Kind::PhoneWeak,
    Kind::Account,
    Kind::Username,
    Kind::National,
    Kind::House,
    Kind::Street,
    Kind::City,
    Kind::Postcode,
    Kind::State,
    Kind::Country,
    Kind::Company,
];

/// A kind and a symbol, in four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feature(u32);

const SYMBOL_BITS: u32 = 27;

impl Feature {
    /// Joins both.
    #[must_use]
    pub fn new(kind: Kind, symbol: Symbol) -> Self {
        debug_assert!(symbol.0 < 1 << SYMBOL_BITS, "more than 134 million distinct texts");
        Self((kind as u32) << SYMBOL_BITS | symbol.0)
    }

    /// Its kind.
    #[must_use]
    pub fn kind(self) -> Kind {
        ALL[(self.0 >> SYMBOL_BITS) as usize]
    }

    /// Its symbol.
    #[must_use]
    pub fn symbol(self) -> Symbol {
        Symbol(self.0 & ((1 << SYMBOL_BITS) - 1))
    }
}

/// Features of one record in order of kind.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    features: &'a [Feature],
    starts: [u8; KINDS + 1],
}

impl<'a> View<'a> {
    /// A view of sorted features, of which there are at most 255.
    #[must_use]
    pub fn new(features: &'a [Feature]) -> Self {
        let mut starts = [0_u8; KINDS + 1];
        for feature in features {
            starts[(feature.0 >> SYMBOL_BITS) as usize + 1] += 1;
        }
        for at in 1..=KINDS {
            starts[at] += starts[at - 1];
        }
        Self { features, starts }
    }

    /// The features of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &'a [Feature] {
        let at = kind as usize;
        &self.features[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// The first symbol of one kind.
    #[must_use]
    pub fn one(&self, kind: Kind) -> Option<Symbol> {
        self.of(kind).first().map(|it| it.symbol())
    }
}

/// Most features of one record.
const MOST: usize = 64;

/// What is said of `record`, normalised. `region` is that of phones without a country code.
pub fn read(record: &Record, region: &str, symbols: &mut Symbols) -> Box<[Feature]> {
    let mut found = Vec::with_capacity(12);
    let parts = name::parts(&record.given_name, &record.surname, &record.full_name);
    found.extend(parts.given.iter().map(|it| Feature::new(Kind::Given, symbols.name(it))));
    found.extend(parts.surname.iter().map(|it| Feature::new(Kind::Surname, symbols.name(it))));
    found.extend(parts.patronymic.iter().map(|it| Feature::new(Kind::Patronymic, symbols.name(it))));
    if let Some(birth) = date::birth_date(&record.birth_date) {
        found.push(Feature::new(Kind::Birth, symbols.intern(Domain::Date, &birth)));
    }
    for said in &record.emails {
        if let Some(read) = email::email(&said.value) {
            let strong = read.reach == Reach::Person && said.assurance != Assurance::Written;
            let kind = if strong { Kind::Email } else { Kind::EmailWeak };
            found.push(Feature::new(kind, symbols.intern(Domain::Email, &read.value)));
        } else if said.value.trim().len() > 4 {
            found.push(Feature::new(Kind::EmailWeak, symbols.intern(Domain::Email, &said.value.trim().to_lowercase())));
        }
    }
    for said in &record.phones {
        read_phone(&said.value, said.assurance, region, symbols, &mut found);
    }
    for (scope, id) in &record.handles {
        match handle(scope, id) {
            Some(Handle::Account(id)) => found.push(Feature::new(Kind::Account, symbols.intern(Domain::Handle, &id))),
            Some(Handle::Username(id)) => found.push(Feature::new(Kind::Username, symbols.intern(Domain::Handle, &id))),
            Some(Handle::Phone(number)) => read_phone(&number, Assurance::Vendor, region, symbols, &mut found),
            None => {}
        }
    }
    let street = place::street(&record.street);
    found.extend(street.house.iter().map(|it| Feature::new(Kind::House, symbols.intern(Domain::House, it))));
    found.extend(street.words.iter().map(|it| Feature::new(Kind::Street, symbols.intern(Domain::Street, it))));
    for (kind, domain, value) in [
        (Kind::National, Domain::National, place::code(&record.national_id)),
        (Kind::City, Domain::City, place::place(&record.city)),
        (Kind::Postcode, Domain::Postcode, place::code(&record.postcode)),
        (Kind::State, Domain::State, place::place(&record.state)),
        (Kind::Country, Domain::Country, place::place(&record.country)),
        (Kind::Company, Domain::Company, place::company(&record.company)),
    ] {
        found.extend(value.map(|it| Feature::new(kind, symbols.intern(domain, &it))));
    }
    found.sort_unstable();
    found.dedup();
    found.truncate(MOST);
    found.into()
}

fn read_phone(text: &str, assurance: Assurance, region: &str, symbols: &mut Symbols, found: &mut Vec<Feature>) {
    match phone::phone(text, region, assurance == Assurance::Vendor) {
        Some(read) if read.line == Line::Service => {}
        Some(read) => {
            let strong = read.line == Line::Personal && read.extension.is_none() && assurance != Assurance::Written;
            let kind = if strong { Kind::Phone } else { Kind::PhoneWeak };
            found.push(Feature::new(kind, symbols.intern(Domain::Phone, &read.value)));
        }
        None => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            if (7..=15).contains(&digits.len()) && digits.bytes().any(|it| it != digits.as_bytes()[0]) {
                found.push(Feature::new(Kind::PhoneWeak, symbols.intern(Domain::Phone, &digits)));
            }
        }
    }
}
