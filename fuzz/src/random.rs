//! The system's randomness, made the same for every input: a finding repeats, and a seed may hold the answer to
//! a challenge. `fuzz/run` builds getrandom for it.

use std::cell::Cell;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// Begins anew.
pub fn begin() {
    STATE.set(0);
}

/// What getrandom calls instead of the system.
///
/// # Safety
/// `to` is good for writes of `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(to: *mut u8, length: usize) -> Result<(), getrandom::Error> {
    for at in 0..length {
        // SplitMix64, a byte of each.
        let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        STATE.set(state);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        // SAFETY: the caller gives `length` bytes.
        unsafe { to.add(at).write((mixed >> 56) as u8) };
    }
    Ok(())
}
