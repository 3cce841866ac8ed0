//! Which records have a key: a block.

use hashbrown::HashTable;
use rustc_hash::FxHashSet;

use super::keys::Key;

/// A record's place in the engine.
pub(crate) type At = u32;

/// The records of every key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// A key in two halves, so that an entry takes twelve bytes and not sixteen, and where the records are.
    table: HashTable<([u32; 2], Slot)>,
    lists: Vec<Vec<At>>,
    free: Vec<u32>,
    /// Blocks of which is known, without their records, that they are too large.
    closed: FxHashSet<Key>,
}

/// One record, or the number of a list with its highest bit set.
#[derive(Debug, Clone, Copy)]
struct Slot(u32);

const LIST: u32 = 1 << 31;

#[expect(clippy::cast_possible_truncation, reason = "each half is what is wanted")]
fn halves(key: Key) -> [u32; 2] {
    [(key.0 >> 32) as u32, key.0 as u32]
}

fn rehash(entry: &([u32; 2], Slot)) -> u64 {
    u64::from(entry.0[0]) << 32 | u64::from(entry.0[1])
}

impl Index {
    /// The records under a key, none where there are too many to say anything.
    pub(crate) fn open_block(&self, key: Key) -> &[At] {
        let block = self.block(key);
        if block.len() <= key.largest_block() && !self.is_closed(key) { block } else { &[] }
    }

    /// Says that a block is too large, whatever is inserted here.
    pub(crate) fn close(&mut self, key: Key) {
        self.closed.insert(key);
    }

    /// True of a block of which that was said.
    pub(crate) fn is_closed(&self, key: Key) -> bool {
        !self.closed.is_empty() && self.closed.contains(&key)
    }

    /// The records under a key, in no order.
    pub(crate) fn block(&self, key: Key) -> &[At] {
        match self.table.find(key.0, |it| it.0 == halves(key)) {
            None => &[],
            Some((_, slot)) if slot.0 & LIST != 0 => &self.lists[(slot.0 & !LIST) as usize],
            Some((_, slot)) => std::slice::from_ref(&slot.0),
        }
    }

    /// Puts a record under a key; gives the size of the block now.
    pub(crate) fn insert(&mut self, key: Key, at: At) -> usize {
        let entry = (halves(key), Slot(at));
        let (lists, free) = (&mut self.lists, &mut self.free);
        if let Some((_, slot)) = self.table.find_mut(key.0, |it| it.0 == entry.0) {
            if slot.0 & LIST == 0 {
                let list = vec![slot.0, at];
                let number = free.pop().unwrap_or_else(|| {
                    lists.push(Vec::new());
                    u32::try_from(lists.len() - 1).expect("fewer lists than records")
                });
                lists[number as usize] = list;
                slot.0 = LIST | number;
                return 2;
            }
            let list = &mut lists[(slot.0 & !LIST) as usize];
            list.push(at);
            return list.len();
        }
        self.table.insert_unique(key.0, entry, rehash);
        1
    }

    /// Takes a record from under a key; gives the size of the block now.
    pub(crate) fn remove(&mut self, key: Key, at: At) -> usize {
        let Ok(mut found) = self.table.find_entry(key.0, |it| it.0 == halves(key)) else { return 0 };
        let slot = found.get().1;
        if slot.0 & LIST == 0 {
            if slot.0 == at {
                found.remove();
            }
            return 0;
        }
        let number = slot.0 & !LIST;
        let list = &mut self.lists[number as usize];
        list.retain(|it| *it != at);
        if list.len() > 1 {
            return list.len();
        }
        found.get_mut().1 = Slot(list[0]);
        *list = Vec::new();
        self.free.push(number);
        1
    }
}
