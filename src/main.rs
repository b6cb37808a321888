//! The decnet binary.

fn main() {}
