//! Asks the processor to fetch what will be needed in a moment: keys of a thousand SAs are not in its nearest cache.
#![allow(unsafe_code, reason = "a prefetch takes a pointer, though nothing is read through it")]

/// Octets of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Begins to fetch all of a value, and waits for nothing. Elsewhere than on x86 it does nothing.
#[inline]
pub fn prefetch<T>(thing: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = core::ptr::from_ref(thing).cast::<i8>();
        for line in (0..size_of::<T>()).step_by(LINE) {
            // SAFETY: every x86-64 processor has the instruction, which neither reads nor changes anything that can be seen,
            // and the place lies within the value.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(line)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = thing;
}
