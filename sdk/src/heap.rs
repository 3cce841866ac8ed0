//! The memory of a connector: an allocator made for short calls.
//!
//! A call allocates a few hundred small blocks and gives all of them back before it ends. So blocks are cut from the front of the
//! memory one after the other, a block that comes back waits in the list of its size, and whenever nothing is in use any more, all
//! starts again at the front. The next call finds the same few pages, which the machine has in its caches; a new instance touches no
//! page that it does not need, and starts in the pages that its memory has from the beginning. Rust's own allocator for wasm
//! (dlmalloc) took a seventh of a call, grew the memory before its first block, and is 8 kB.
//!
//! What lives longer than a call is no problem, only less tidy: neighbours are not joined while something is in use.

#![expect(unsafe_code, reason = "an allocator hands out raw memory; this is the one place of the SDK that does")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;

/// Every block starts at a multiple of this and has a multiple of it as its size.
const GRAIN: usize = 16;
/// Sizes of blocks: multiples of 16 up to 128, then four to each doubling, up to half of the address space of wasm.
const CLASSES: usize = 105;
/// What a wasm memory grows by.
#[cfg(target_arch = "wasm32")]
const PAGE: usize = 64 << 10;
/// Pages that are asked for at once, where the limit allows it: asking costs as much as a hundred blocks.
#[cfg(target_arch = "wasm32")]
const PAGES: usize = 4;

/// The class of blocks for `size` bytes, and how long they are.
fn class(size: usize) -> (usize, usize) {
    if size <= 128 {
        let grains = size.div_ceil(GRAIN);
        return (grains, grains * GRAIN);
    }
    let top = (size - 1).ilog2() as usize;
    let quarter = top - 2;
    let quarters = ((size - 1) >> quarter) + 1;
    (quarters + 4 * (top - 6), quarters << quarter)
}

/// Where the memory comes from: its first range, and more.
trait Source {
    /// The range that is there from the beginning.
    fn first(&self) -> (usize, usize);
    /// Appends at least that many bytes, if that many are to be had: the new end.
    fn more(&self, bytes: usize) -> Option<usize>;
}

struct Heap<S> {
    source: S,
    start: usize,
    /// From here to `end` nothing was handed out since the last start at the front.
    next: usize,
    end: usize,
    /// Blocks in use.
    live: usize,
    /// For each class a list of blocks that came back: each holds the address of the next, the last zero.
    free: [usize; CLASSES],
}

impl<S: Source> Heap<S> {
    const fn new(source: S) -> Self {
        Self { source, start: 0, next: 0, end: 0, live: 0, free: [0; CLASSES] }
    }

    /// Not inlined, nor is `give`: their copies in hundreds of places would be a fifth of a connector.
    #[inline(never)]
    fn take(&mut self, layout: Layout) -> *mut u8 {
        let (class, size) = class(layout.size());
        let mut block = self.free[class];
        if block != 0 && layout.align() <= GRAIN {
            // SAFETY: a block in a list is not in use, and `give` wrote the next one's address into it.
            self.free[class] = unsafe { ptr::with_exposed_provenance::<usize>(block).read() };
        } else {
            block = self.next.next_multiple_of(layout.align().max(GRAIN));
            if block == 0 || self.end.saturating_sub(block) < size {
                block = self.grow(layout.align().max(GRAIN), size);
                if block == 0 {
                    return ptr::null_mut();
                }
            }
            self.next = block + size;
        }
        self.live += 1;
        ptr::with_exposed_provenance_mut(block)
    }

    /// The address of a block at the end of the memory after this has grown; zero where it cannot.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, align: usize, size: usize) -> usize {
        if self.end == 0 {
            (self.start, self.end) = self.source.first();
            self.next = self.start;
        }
        let block = self.next.next_multiple_of(align);
        let Some(missing) = block.checked_add(size).map(|it| it.saturating_sub(self.end)) else { return 0 };
        if missing > 0 {
            let Some(end) = self.source.more(missing) else { return 0 };
            self.end = end;
        }
        block
    }

    /// # Safety
    /// `block` was taken with a layout of this size and is not used any more.
    #[inline(never)]
    unsafe fn give(&mut self, block: *mut u8, size: usize) {
        self.live -= 1;
        let address = block.expose_provenance();
        let (class, size) = class(size);
        if self.live == 0 {
            self.next = self.start;
            self.free = [0; CLASSES];
        } else if address + size == self.next {
            self.next = address;
        } else {
            // SAFETY: the block is ours again, aligned and at least 16 bytes long.
            unsafe { ptr::with_exposed_provenance_mut::<usize>(address).write(self.free[class]) };
            self.free[class] = address;
        }
    }

    /// True when the block now has room for `wanted` bytes: it had, or it is the last one and more (or less) was cut off.
    fn stretch(&mut self, block: *mut u8, size: usize, wanted: usize) -> bool {
        let (class_now, size) = class(size);
        let (class_then, wanted) = class(wanted);
        if class_now == class_then {
            return true;
        }
        let address = block.addr();
        let is_last = address + size == self.next;
        if !is_last || self.end - address < wanted {
            return false;
        }
        self.next = address + wanted;
        true
    }
}

/// The heap of the whole connector. A connector has one thread.
struct Shared<S>(UnsafeCell<Heap<S>>);

// SAFETY: there are no threads in a connector: its contract has none, and its memory is not shared.
unsafe impl<S> Sync for Shared<S> {}

// SAFETY: blocks do not overlap while they are in use, are as long and as aligned as asked for, and nothing here panics.
unsafe impl<S: Source> GlobalAlloc for Shared<S> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: nothing else holds a reference to the heap: there is one thread, and the heap calls nobody who allocates.
        unsafe { &mut *self.0.get() }.take(layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; the caller gives back what it took.
        unsafe { (*self.0.get()).give(block, layout.size()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, wanted: usize) -> *mut u8 {
        // SAFETY: as above.
        if unsafe { &mut *self.0.get() }.stretch(block, layout.size(), wanted) {
            return block;
        }
        // SAFETY: the caller's `wanted` fits its alignment; both blocks are at least as long as what is copied.
        unsafe {
            let longer = self.alloc(Layout::from_size_align_unchecked(wanted, layout.align()));
            if !longer.is_null() {
                ptr::copy_nonoverlapping(block, longer, layout.size().min(wanted));
                self.dealloc(block, layout);
            }
            longer
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod wasm {
    use std::arch::wasm32::{memory_grow, memory_size};

    use super::{Heap, PAGE, PAGES, Shared, Source, UnsafeCell};

    #[global_allocator]
    static HEAP: Shared<Memory> = Shared(UnsafeCell::new(Heap::new(Memory)));

    /// The one memory of a connector, from where the linker's own data end.
    struct Memory;

    unsafe extern "C" {
        safe static __heap_base: u8;
    }

    impl Source for Memory {
        fn first(&self) -> (usize, usize) {
            ((&raw const __heap_base).addr().next_multiple_of(super::GRAIN), memory_size(0) * PAGE)
        }

        fn more(&self, bytes: usize) -> Option<usize> {
            let needed = bytes.div_ceil(PAGE);
            let grown = [needed.next_multiple_of(PAGES), needed].into_iter().find(|it| memory_grow(0, *it) != usize::MAX);
            grown.map(|_| memory_size(0) * PAGE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A memory of fixed size.
    struct Room(Vec<u128>);

    impl Source for Room {
        fn first(&self) -> (usize, usize) {
            let start = self.0.as_ptr().expose_provenance();
            (start, start + self.0.len() * size_of::<u128>())
        }

        fn more(&self, _: usize) -> Option<usize> {
            None
        }
    }

    fn room(bytes: usize) -> Shared<Room> {
        Shared(UnsafeCell::new(Heap::new(Room(vec![0; bytes / size_of::<u128>()]))))
    }

    fn of(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).expect("a layout")
    }

    #[test]
    fn a_class_is_long_enough_and_not_much_longer() {
        let mut last = (0, 0);
        for size in (1..5_000).chain((6..20).map(|it| (1 << it) * 100 + it)).chain([(1 << 31) - 1]) {
            let (class, length) = class(size);
            assert!(length >= size && length % GRAIN == 0 && class < CLASSES, "{size}");
            assert!(length <= (size + GRAIN).max(size + size / 4 + GRAIN), "{size} takes {length}");
            if size < 5_000 {
                assert!((class, length) >= last && (class == last.0) == (length == last.1), "{size}");
                last = (class, length);
            }
        }
    }

    /// Thousands of blocks come, grow, shrink and go in a random order; each keeps what was written into it.
    #[test]
    fn blocks_keep_their_content_and_never_overlap() {
        let heap = room(1 << 20);
        let mut seed = 7_u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        let mut blocks: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let check = |(block, layout, mark): &(*mut u8, Layout, u8), upto: usize| {
            // SAFETY: the block is in use and was filled with its mark.
            let content = unsafe { std::slice::from_raw_parts(*block, layout.size().min(upto)) };
            assert!(content.iter().all(|it| it == mark) && block.addr() % layout.align() == 0);
        };
        for round in 0..60_000_u32 {
            let mark = round.to_le_bytes()[0];
            let size = 1 + if random(10) == 0 { random(6_000) } else { random(200) };
            // SAFETY: layouts are those that the blocks were taken with, and every block is filled after it was taken.
            unsafe {
                match random(if blocks.len() < 60 { 3 } else { 5 }) {
                    0 | 1 => {
                        let layout = of(size, [1, 4, 8, 16, 64][random(5)]);
                        let block = heap.alloc(layout);
                        assert!(!block.is_null(), "the memory is large enough, whatever the order");
                        block.write_bytes(mark, size);
                        blocks.push((block, layout, mark));
                    }
                    2 if !blocks.is_empty() => {
                        let at = random(blocks.len());
                        let (block, layout, old) = blocks[at];
                        let moved = heap.realloc(block, layout, size);
                        assert!(!moved.is_null());
                        let then = of(size, layout.align());
                        check(&(moved, then, old), layout.size());
                        moved.write_bytes(mark, size);
                        blocks[at] = (moved, then, mark);
                    }
                    3 | 4 => {
                        let gone = blocks.swap_remove(random(blocks.len()));
                        check(&gone, usize::MAX);
                        heap.dealloc(gone.0, gone.1);
                    }
                    _ => {}
                }
            }
            if round % 5_000 == 0 {
                for it in &blocks {
                    check(it, usize::MAX);
                }
                for (block, layout, _) in blocks.drain(..) {
                    // SAFETY: as above.
                    unsafe { heap.dealloc(block, layout) };
                }
            }
        }
    }

    #[test]
    fn when_nothing_is_in_use_all_starts_again_at_the_front() {
        let heap = room(4 << 10);
        // SAFETY: every block is given back once, with its own layout.
        unsafe {
            let mut first = None;
            for _ in 0..1_000 {
                let (one, two) = (heap.alloc(of(1_000, 8)), heap.alloc(of(2_000, 8)));
                assert!(!one.is_null() && !two.is_null());
                assert_eq!(*first.get_or_insert(one), one);
                heap.dealloc(one, of(1_000, 8));
                heap.dealloc(two, of(2_000, 8));
            }
        }
    }

    #[test]
    fn what_stays_in_use_does_not_make_the_memory_grow() {
        let heap = room(16 << 10);
        // SAFETY: every block is given back once, with its own layout.
        unsafe {
            let kept = heap.alloc(of(10, 1));
            assert!(!kept.is_null());
            for _ in 0..10_000 {
                let text = heap.alloc(of(100, 1));
                let other = heap.alloc(of(40, 4));
                let text = heap.realloc(text, of(100, 1), 3_000);
                let text = heap.realloc(text, of(3_000, 1), 2_100);
                assert!(!text.is_null() && !other.is_null());
                heap.dealloc(other, of(40, 4));
                heap.dealloc(text, of(2_100, 1));
            }
        }
    }

    #[test]
    fn the_last_block_grows_where_it_is_and_a_full_memory_says_so() {
        let heap = room(4 << 10);
        // SAFETY: layouts are those that the blocks were taken with.
        unsafe {
            let text = heap.alloc(of(100, 1));
            assert_eq!(heap.realloc(text, of(100, 1), 3_000), text);
            assert!(heap.alloc(of(2_000, 1)).is_null());
            assert!(heap.realloc(text, of(3_000, 1), 1 << 20).is_null());
            assert_eq!(heap.realloc(text, of(3_000, 1), 50), text);
            assert!(!heap.alloc(of(3_000, 1)).is_null());
        }
    }
}
