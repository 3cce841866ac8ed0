//! Blocking keys: two records are compared only where they have one in common.
//!
//! A key is a hash of texts, the same on every machine and in every version of Rust, so that it can be kept in a table and looked up there.

use crate::features::{Feature, Kind, View};
use crate::normalise::given::GivenNames;
use crate::symbols::{Symbol, Symbols};

/// A blocking key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

impl Key {
    /// The key of some texts under a rule (FNV-1a, then the finaliser of `SplitMix64`).
    #[must_use]
    pub fn of(rule: &str, texts: &[&[u8]]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |bytes: &[u8]| {
            for byte in bytes.iter().chain(&[0xff]) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        eat(rule.as_bytes());
        for text in texts {
            eat(text);
        }
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((hash ^ (hash >> 31)) & !1)
    }

    /// The key of a single value that many people may hold.
    #[must_use]
    pub fn single(rule: &str, text: &[u8]) -> Self {
        Self(Self::of(rule, &[text]).0 | 1)
    }

    /// More records than this under the key say nothing of any two of them: the block is closed, and opens again when it shrinks.
    #[must_use]
    pub fn largest_block(self) -> usize {
        if self.0 & 1 == 0 { LARGEST_BLOCK } else { LARGEST_SINGLE }
    }

    /// The key of an identifying value.
    #[must_use]
    pub fn identity(feature: Feature, symbols: &Symbols) -> Self {
        let rule = match feature.kind() {
            Kind::Email | Kind::EmailWeak => "email",
            Kind::Phone | Kind::PhoneWeak => "phone",
            Kind::Username => "username",
            Kind::National => "national",
            _ => "account",
        };
        Self::of(rule, &[symbols.bytes(feature.symbol())])
    }
}

/// The largest open block of a key of several values, or of one that identifies.
pub const LARGEST_BLOCK: usize = 64;
/// The largest open block of a key of a single value.
pub const LARGEST_SINGLE: usize = 24;

/// Most words of a name that make keys.
const MOST_WORDS: usize = 4;

/// The keys of a record.
#[must_use]
pub fn keys(view: &View<'_>, symbols: &Symbols) -> Vec<Key> {
    let mut keys = Vec::with_capacity(16);
    let text = |symbol: Symbol| symbols.bytes(symbol);
    for kind in [Kind::Account, Kind::Username, Kind::Phone, Kind::PhoneWeak, Kind::Email, Kind::EmailWeak, Kind::National] {
        keys.extend(view.of(kind).iter().map(|it| Key::identity(*it, symbols)));
    }
    for kind in [Kind::Phone, Kind::PhoneWeak] {
        keys.extend(view.of(kind).iter().filter_map(|it| text(it.symbol()).last_chunk::<7>()).map(|tail| Key::of("tail", &[tail])));
    }
    for kind in [Kind::Email, Kind::EmailWeak] {
        for it in view.of(kind) {
            let local = text(it.symbol()).split(|it| *it == b'@').next().unwrap_or_default();
            if local.len() >= 4 {
                keys.push(Key::single("local", local));
            }
            if let Some(domain) = text(it.symbol()).get(local.len() + 1..).filter(|it| it.len() >= 4) {
                keys.push(Key::single("domain", domain));
            }
        }
    }
    let words: Vec<Symbol> = view.of(Kind::Given).iter().chain(view.of(Kind::Surname)).map(|it| it.symbol()).take(MOST_WORDS).collect();
    name_keys(&words, symbols, &mut keys);
    let others = Others::of(view, symbols);
    for word in &words {
        others.with_word(text(symbols.sound(*word)), &mut keys);
    }
    others.alone(&mut keys);
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn name_keys(words: &[Symbol], symbols: &Symbols, keys: &mut Vec<Key>) {
    for (at, one) in words.iter().enumerate() {
        for other in &words[at + 1..] {
            let mut pair = [symbols.bytes(symbols.sound(*one)), symbols.bytes(symbols.sound(*other))];
            pair.sort_unstable();
            if pair.iter().all(|it| it.len() > 1) {
                keys.push(Key::of("names", &pair));
            }
            let mut bones = [skeleton(pair[0]), skeleton(pair[1])];
            bones.sort_unstable();
            keys.push(Key::of("bones", &[&bones[0], &bones[1]]));
            for (given, surname) in [(*one, *other), (*other, *one)] {
                for group in groups(given, symbols).iter().take(3) {
                    keys.push(Key::of("short", &[&group.to_be_bytes(), symbols.bytes(symbols.sound(surname))]));
                }
            }
        }
    }
}

fn groups(name: Symbol, symbols: &Symbols) -> &'static [u16] {
    std::str::from_utf8(symbols.bytes(name)).map_or(&[], |it| GivenNames::shipped().groups(it))
}

/// The first letter and the consonants after it, four letters at most.
fn skeleton(sound: &[u8]) -> Vec<u8> {
    let consonants = sound.iter().skip(1).filter(|it| !matches!(it, b'a' | b'e' | b'i' | b'o' | b'u'));
    sound.iter().take(1).chain(consonants).take(4).copied().collect()
}

/// What a record holds beside names.
struct Others<'a> {
    birth: Option<&'a [u8]>,
    house: Option<&'a [u8]>,
    city: Option<&'a [u8]>,
    postcode: Option<&'a [u8]>,
    company: Option<&'a [u8]>,
    street: Vec<&'a [u8]>,
}

impl<'a> Others<'a> {
    fn of(view: &View<'_>, symbols: &'a Symbols) -> Self {
        let one = |kind: Kind| view.one(kind).map(|it| symbols.bytes(it));
        Self {
            birth: one(Kind::Birth).filter(|it| it.len() == 8),
            house: one(Kind::House),
            city: one(Kind::City),
            postcode: one(Kind::Postcode),
            company: one(Kind::Company),
            street: view.of(Kind::Street).iter().map(|it| symbols.bytes(it.symbol())).take(3).collect(),
        }
    }

    fn with_word(&self, word: &[u8], keys: &mut Vec<Key>) {
        if word.len() > 1 {
            keys.push(Key::single("word", word));
        }
        if let Some(birth) = self.birth {
            keys.push(Key::of("word-year", &[word, &birth[..4]]));
            keys.push(Key::of("word-day", &[word, &birth[4..]]));
            keys.push(Key::of("letter-birth", &[&word[..1.min(word.len())], birth]));
            keys.push(Key::of("letters-month", &[&word[..2.min(word.len())], &birth[..6]]));
        }
        for (rule, value) in
            [("word-postcode", self.postcode), ("word-city", self.city), ("word-house", self.house), ("word-company", self.company)]
        {
            keys.extend(value.map(|it| Key::of(rule, &[word, it])));
        }
    }

    fn alone(&self, keys: &mut Vec<Key>) {
        if let Some(birth) = self.birth {
            keys.push(Key::single("birth", birth));
            for (rule, value) in [("birth-postcode", self.postcode), ("birth-house", self.house), ("birth-city", self.city)] {
                keys.extend(value.map(|it| Key::of(rule, &[birth, it])));
            }
        }
        for street in &self.street {
            for (rule, value) in [("street-house", self.house), ("street-postcode", self.postcode)] {
                keys.extend(value.map(|it| Key::of(rule, &[street, it])));
            }
        }
        if let (Some(postcode), Some(house)) = (self.postcode, self.house) {
            keys.push(Key::of("postcode-house", &[postcode, house]));
        }
    }
}
