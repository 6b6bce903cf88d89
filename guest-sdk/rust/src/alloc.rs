//! The allocator of a module: the first 256 KiB come from memory that the module already has.
//!
//! A module runs each reconcile in a fresh instance. Rust's own allocator for WebAssembly starts with
//! nothing and grows the memory at its first allocation, and a host pays for each growth with system
//! calls: about a fifth of the dispatch benchmark's reconcile. This one hands out a static arena first, by moving a
//! pointer, and turns to the system allocator once that is used up. What is freed in the arena is reused
//! only when it was the last allocation; the instance is gone soon.
//!
//! Turn it off with `default-features = false` if you bring an allocator of your own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};

/// Four pages of WebAssembly memory; pages that are not touched cost nothing.
const ARENA_BYTES: usize = 256 * 1024;
/// No type asks for more.
const MAX_ALIGN: usize = 16;

#[repr(align(16))]
struct Space(UnsafeCell<[u8; ARENA_BYTES]>);

struct Arena {
    space: Space,
    used: Cell<usize>,
}

// SAFETY: a module has one thread: WebAssembly threads are not part of the contract.
#[allow(unsafe_code, reason = "a global allocator must be Sync")]
unsafe impl Sync for Arena {}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ARENA: Arena = Arena::new();

impl Arena {
    const fn new() -> Self {
        Self { space: Space(UnsafeCell::new([0; ARENA_BYTES])), used: Cell::new(0) }
    }

    fn base(&self) -> *mut u8 {
        self.space.0.get().cast()
    }

    /// Where in the arena a pointer is, if it is there.
    fn offset(&self, pointer: *mut u8) -> Option<usize> {
        let offset = pointer.addr().wrapping_sub(self.base().addr());
        (offset < ARENA_BYTES).then_some(offset)
    }

    fn take(&self, layout: Layout) -> Option<*mut u8> {
        // An alignment is a power of two, which `next_multiple_of` cannot know: it divides.
        let start = (self.used.get() + (layout.align() - 1)) & !(layout.align() - 1);
        let end = start.checked_add(layout.size())?;
        if end > ARENA_BYTES || layout.align() > MAX_ALIGN {
            return None;
        }
        self.used.set(end);
        Some(self.base().wrapping_add(start))
    }

    /// Makes the last allocation longer or shorter where it is.
    fn resize(&self, offset: usize, old: usize, new: usize) -> bool {
        let last = offset + old == self.used.get();
        let fits = last && new <= ARENA_BYTES - offset;
        if fits {
            self.used.set(offset + new);
        }
        fits || new <= old
    }
}

// SAFETY: `take` hands out ranges of the arena that are aligned, inside it, and overlap no other live
// range, because `used` moves back only over the last range, when that is freed or shrunk. Pointers
// outside the arena came from `System` and go back to it with the layout they came with.
#[allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is passed on.
        self.take(layout).unwrap_or_else(|| unsafe { outside::alloc(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match self.offset(pointer) {
            Some(offset) => drop(self.resize(offset, layout.size(), 0)),
            // SAFETY: outside the arena, so it came from `System` with this layout.
            None => unsafe { outside::dealloc(pointer, layout) },
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Some(offset) = self.offset(pointer) else {
            // SAFETY: outside the arena, so it came from `System` with this layout.
            return unsafe { outside::realloc(pointer, layout, new_size) };
        };
        if self.resize(offset, layout.size(), new_size) {
            return pointer;
        }
        // SAFETY: the caller guarantees that `new_size` fits a layout; the ranges do not overlap.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !moved.is_null() {
                pointer.copy_to_nonoverlapping(moved, layout.size());
            }
            moved
        }
    }
}

/// The system allocator, which is rarely asked: kept out of the arena's functions, so that those stay small.
#[allow(unsafe_code, reason = "an allocator's functions are unsafe")]
mod outside {
    use super::{GlobalAlloc as _, Layout, System};

    /// # Safety
    /// As [`std::alloc::GlobalAlloc::alloc`].
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn alloc(layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    /// # Safety
    /// As [`std::alloc::GlobalAlloc::dealloc`].
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn dealloc(pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    /// # Safety
    /// As [`std::alloc::GlobalAlloc::realloc`].
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn realloc(pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[cfg(test)]
#[allow(unsafe_code, reason = "allocators are called through unsafe functions")]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn allocations_are_aligned_and_do_not_overlap() {
        let arena = Box::new(Arena::new());
        let mut end = 0;
        for (size, align) in [(1, 1), (8, 8), (3, 1), (64, 16), (5, 4)] {
            let offset = arena.offset(unsafe { arena.alloc(layout(size, align)) }).unwrap();
            assert!(offset >= end && offset.is_multiple_of(align), "{offset} after {end}");
            end = offset + size;
        }
    }

    #[test]
    fn the_last_allocation_grows_where_it_is_and_others_move_with_their_content() {
        let arena = Box::new(Arena::new());
        unsafe {
            let first = arena.alloc(layout(4, 1));
            first.copy_from_nonoverlapping(b"abcd".as_ptr(), 4);
            let last = arena.alloc(layout(4, 1));
            assert_eq!(arena.realloc(last, layout(4, 1), 100), last);
            let moved = arena.realloc(first, layout(4, 1), 8);
            assert_ne!(moved, first);
            assert_eq!(std::slice::from_raw_parts(moved, 4), b"abcd");
        }
    }

    #[test]
    fn what_was_last_is_reused_when_freed() {
        let arena = Box::new(Arena::new());
        unsafe {
            let freed = arena.alloc(layout(100, 1));
            arena.dealloc(freed, layout(100, 1));
            assert_eq!(arena.alloc(layout(50, 1)), freed);
        }
    }

    #[test]
    fn what_does_not_fit_comes_from_the_system() {
        let arena = Box::new(Arena::new());
        let big = layout(ARENA_BYTES + 1, 1);
        unsafe {
            let pointer = arena.alloc(big);
            assert!(!pointer.is_null() && arena.offset(pointer).is_none());
            let grown = arena.realloc(pointer, big, ARENA_BYTES * 2);
            arena.dealloc(grown, layout(ARENA_BYTES * 2, 1));
        }
    }
}
