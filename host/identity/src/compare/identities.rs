//! What identifies: phones, addresses, accounts, national ids.

use super::levels::{distance, email_level, phone_level};
use super::{Best as _, Comparer, Field, Found, Level};
use crate::features::{Feature, Kind, View};
use crate::symbols::Symbol;
use crate::weights::milli;

impl Comparer<'_> {
    /// Compares what identifies.
    pub(super) fn identify(
        &self,
        a: &View<'_>,
        b: &View<'_>,
        mut people: impl FnMut(Feature) -> u32,
        reason: &mut impl FnMut(Field, Level, i32),
    ) {
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
            Field::Account => {
                if self.have_accounts_of_one_vendor(a, b) {
                    let (level, bits) = self.bits(field, Level::Apart, 0.0);
                    reason(field, level, bits);
                }
                return;
            }
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

    /// True where both hold an account of the same messenger: few people have two there.
    fn have_accounts_of_one_vendor(&self, a: &View<'_>, b: &View<'_>) -> bool {
        let scope = |it: &Feature| self.symbols.bytes(it.symbol()).split(|it| *it == b':').next();
        a.of(Kind::Account).iter().any(|one| b.of(Kind::Account).iter().any(|other| scope(one) == scope(other)))
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
}
