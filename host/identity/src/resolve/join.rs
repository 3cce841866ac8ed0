//! From links to people: one region at a time.

use std::cell::RefCell;

use rustc_hash::FxHashMap;

use super::engine::SAID;
use super::index::At;

/// Two records and the odds in thousandths of a bit that they are one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) a: At,
    pub(crate) b: At,
    pub(crate) bits: i32,
}

/// What one pair can speak for joining two groups at most, beyond what is asked of their average: five good pairs do not outvote a bad one.
const HEARD: i32 = 4_000;
/// Most records of each side that are looked at before two groups are joined.
const WITNESSES: usize = 8;

/// Joins the members of a region. `links`, each strong enough to merge, come strongest first, equals in the order of the records' ids; `members` in that order too.
/// `odds` gives the odds of any two records, or none where a person said that they are two.
pub(crate) fn join(members: &[At], links: &[Link], floor: i32, odds: impl Fn(At, At) -> Option<i32>) -> Vec<Vec<At>> {
    let place: FxHashMap<At, usize> = members.iter().enumerate().map(|(at, it)| (*it, at)).collect();
    let known: RefCell<FxHashMap<(At, At), Option<i32>>> =
        RefCell::new(links.iter().map(|it| ((it.a.min(it.b), it.a.max(it.b)), Some(it.bits))).collect());
    let odds = |a: At, b: At| *known.borrow_mut().entry((a.min(b), a.max(b))).or_insert_with(|| odds(a, b));
    let mut group: Vec<usize> = (0..members.len()).collect();
    let mut groups: Vec<Vec<At>> = members.iter().map(|it| vec![*it]).collect();
    // What a person said comes last: it joins whole people, whatever their records look like.
    let (said, found): (Vec<&Link>, Vec<&Link>) = links.iter().partition(|it| it.bits >= SAID);
    for link in found.into_iter().chain(said) {
        let (one, other) = (group[place[&link.a]], group[place[&link.b]]);
        let floor = if link.bits >= SAID { i32::MIN / 2 } else { floor };
        if one == other || !agree(&groups[one], &groups[other], floor, &odds) {
            continue;
        }
        let (into, from) = (one.min(other), one.max(other));
        let moved = std::mem::take(&mut groups[from]);
        for it in &moved {
            group[place[it]] = into;
        }
        groups[into].extend(moved);
        groups[into].sort_unstable_by_key(|it| place[it]);
    }
    groups.retain(|it| !it.is_empty());
    groups
}

/// True when two groups are, on the whole, one person: one record that looks like both must not tie two people together.
fn agree(one: &[At], other: &[At], floor: i32, odds: &impl Fn(At, At) -> Option<i32>) -> bool {
    if one.len() == 1 && other.len() == 1 {
        return odds(one[0], other[0]).is_some();
    }
    let mut sum = 0_i64;
    let mut pairs = 0_i64;
    for a in one.iter().take(WITNESSES) {
        for b in other.iter().take(WITNESSES) {
            let Some(bits) = odds(*a, *b) else { return false };
            sum += i64::from(bits.min(floor.saturating_add(HEARD)));
            pairs += 1;
        }
    }
    sum >= i64::from(floor) * pairs
}
