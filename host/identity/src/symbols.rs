//! Every distinct text once, as a number, with how often it is said.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::terms::Terms;

/// A distinct text of one domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub u32);

/// Texts of different domains are never equal: the city of Washington is not the surname.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Domain {
    /// Words of names as they are typed.
    Name = b'n',
    /// Words of names as they sound.
    Sound = b's',
    /// Days of birth.
    Date = b'd',
    /// Mail addresses.
    Email = b'e',
    /// Phone numbers.
    Phone = b'p',
    /// Ids of messengers.
    Handle = b'h',
    /// National ids.
    National = b'i',
    /// Numbers of houses.
    House = b'o',
    /// Words of streets.
    Street = b'r',
    /// Cities.
    City = b'c',
    /// Postcodes.
    Postcode = b'z',
    /// States.
    State = b't',
    /// Countries.
    Country = b'y',
    /// Companies.
    Company = b'm',
}

/// The table of symbols.
#[derive(Debug, Clone, Default)]
pub struct Symbols {
    /// All texts, one behind the other, each after the letter of its domain.
    texts: Vec<u8>,
    /// Where each text ends.
    ends: Vec<u32>,
    index: HashTable<u32>,
    /// How often each is said now.
    said: Vec<u32>,
    /// How often each was said when statistics were last taken.
    settled: Vec<u32>,
    /// What a name sounds like; a name that is missing here sounds as it is written.
    sounds: FxHashMap<u32, u32>,
    /// How often each was said, where that was counted elsewhere.
    terms: Option<Arc<Terms>>,
}

fn hash(domain: u8, text: &[u8]) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    domain.hash(&mut hasher);
    text.hash(&mut hasher);
    hasher.finish()
}

impl Symbols {
    /// No texts yet; how often each is said was counted elsewhere.
    #[must_use]
    pub fn counted_elsewhere(terms: Arc<Terms>) -> Self {
        Self { terms: Some(terms), ..Self::default() }
    }

    /// The number of a text. Texts beyond 255 bytes are cut.
    pub fn intern(&mut self, domain: Domain, text: &str) -> Symbol {
        let text = &text.as_bytes()[..text.len().min(255)];
        let (texts, ends) = (&self.texts, &self.ends);
        let whole = |it: u32| slice(texts, ends, it);
        let hashed = hash(domain as u8, text);
        let same = |it: &u32| whole(*it).split_first() == Some((&(domain as u8), text));
        if let Some(found) = self.index.find(hashed, same) {
            return Symbol(*found);
        }
        let number = u32::try_from(self.ends.len()).expect("fewer than four thousand million texts fit into memory");
        self.texts.push(domain as u8);
        self.texts.extend_from_slice(text);
        self.ends.push(u32::try_from(self.texts.len()).expect("texts stay below 4 GiB: a hub holds tens of millions of people"));
        self.said.push(0);
        self.settled.push(self.terms.as_ref().map_or(0, |it| it.people(domain, text)));
        let (texts, ends) = (&self.texts, &self.ends);
        self.index
            .insert_unique(hashed, number, |it| slice(texts, ends, *it).split_first().map_or(0, |(domain, text)| hash(*domain, text)));
        Symbol(number)
    }

    /// The text of a symbol.
    #[must_use]
    pub fn bytes(&self, symbol: Symbol) -> &[u8] {
        &slice(&self.texts, &self.ends, symbol.0)[1..]
    }

    /// The text of a symbol, to be read by people.
    #[must_use]
    pub fn text(&self, symbol: Symbol) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(symbol))
    }

    /// A name and its sound.
    pub fn name(&mut self, normal: &str) -> Symbol {
        let before = self.ends.len();
        let symbol = self.intern(Domain::Name, normal);
        if self.ends.len() > before {
            let sound = self.intern(Domain::Sound, &crate::normalise::sound::sound(normal));
            self.sounds.insert(symbol.0, sound.0);
        }
        symbol
    }

    /// What a name sounds like.
    #[must_use]
    pub fn sound(&self, name: Symbol) -> Symbol {
        Symbol(self.sounds.get(&name.0).copied().unwrap_or(name.0))
    }

    /// The symbol that is counted for this one: names count by their sound.
    pub(crate) fn counted(&self, symbol: Symbol) -> usize {
        self.sound(symbol).0 as usize
    }

    /// Domain letter and text that are counted for this symbol.
    pub(crate) fn counted_text(&self, symbol: Symbol) -> (u8, &[u8]) {
        let whole = slice(&self.texts, &self.ends, self.sound(symbol).0);
        (whole[0], &whole[1..])
    }

    /// Says a symbol once more, or takes one saying back.
    pub fn count(&mut self, symbol: Symbol, more: bool) {
        let at = self.counted(symbol);
        self.said[at] = if more { self.said[at].saturating_add(1) } else { self.said[at].saturating_sub(1) };
    }

    /// How often a symbol was said when statistics were last taken.
    #[must_use]
    pub fn settled(&self, symbol: Symbol) -> u32 {
        self.settled[self.counted(symbol)]
    }

    /// Takes statistics: from here on [`Symbols::settled`] is what is said now.
    pub fn settle(&mut self) {
        self.settled.clone_from(&self.said);
    }

    /// Takes statistics of people and not of records: `said` gives each person's symbols, each of them once.
    pub fn settle_people(&mut self, said: impl Iterator<Item = Symbol>) {
        self.settled.iter_mut().for_each(|it| *it = 0);
        for symbol in said {
            let at = self.counted(symbol);
            self.settled[at] = self.settled[at].saturating_add(1);
        }
    }

    /// Distinct texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True where no text is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

fn slice<'a>(texts: &'a [u8], ends: &[u32], number: u32) -> &'a [u8] {
    let at = number as usize;
    let start = if at == 0 { 0 } else { ends[at - 1] as usize };
    &texts[start..ends[at] as usize]
}
