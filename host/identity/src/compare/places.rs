//! Places and companies.

use super::levels::{bag, code_level, name_level, odd_letters};
use super::{Comparer, Field, Found, Level};
use crate::features::{Feature, Kind, View};
use crate::symbols::Symbol;

impl Comparer<'_> {
    pub(super) fn places(&self, a: &View<'_>, b: &View<'_>, reason: &mut impl FnMut(Field, Level, i32)) {
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
    pub(super) fn word(&self, field: Field, one: Symbol, other: Symbol) -> Found {
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

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "thousandths of a few bits")]
fn scale(bits: i32, by: f32) -> i32 {
    (bits as f32 * by) as i32
}
