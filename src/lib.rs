//! decnet plans and runs fleets of decoy hosts ("deckies") on a network.
//!
//! The binary is a thin shell over this library. ARCHITECTURE.md draws the whole; each module's
//! first lines say what lives there and what must not.

pub mod apply;
pub mod catalog;
pub mod cli;
pub mod decoy;
pub mod engine;
pub mod event;
pub mod fleet;
pub mod fleetfile;
pub mod host;
pub mod model;
pub mod store;
pub mod ui;
