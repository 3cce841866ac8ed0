//! Regions: what hangs together by links, joined to people.

use rustc_hash::FxHashSet;

use super::super::index::At;
use super::super::join::{Link, join};
use super::Engine;

impl Engine {
    /// Joins anew every region that one of these records belongs to.
    pub(super) fn regroup(&mut self, touched: Vec<At>) {
        let mut seen: FxHashSet<At> = FxHashSet::default();
        for start in touched {
            if !seen.insert(start) {
                continue;
            }
            let mut members = vec![start];
            let mut next = 0;
            while next < members.len() {
                for (other, _) in self.links[members[next] as usize].iter().filter(|it| it.1 >= self.table.merge) {
                    if seen.insert(*other) {
                        members.push(*other);
                    }
                }
                next += 1;
            }
            self.join_region(members);
        }
    }

    fn join_region(&mut self, mut members: Vec<At>) {
        if let [only] = members.as_slice() {
            self.person[*only as usize] = *only;
            return;
        }
        let id = |at: At| self.entries[at as usize].id;
        members.sort_unstable_by_key(|it| id(*it));
        let mut links: Vec<Link> = Vec::new();
        for one in &members {
            links.extend(
                self.links[*one as usize].iter().filter(|it| it.1 >= self.table.merge && id(*one) < id(it.0)).map(|(other, bits)| Link {
                    a: *one,
                    b: *other,
                    bits: *bits,
                }),
            );
        }
        links.sort_unstable_by_key(|it| (std::cmp::Reverse(it.bits), id(it.a), id(it.b)));
        let groups = join(&members, &links, self.table.together + self.comparer().prior(), |a, b| self.odds(a, b));
        for group in groups {
            for it in &group {
                self.person[*it as usize] = group[0];
            }
        }
    }
}
