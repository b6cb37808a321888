//! The integration tests: one binary, everything through the front door.
//!
//! Each test has its own state directory, loopback network and ports, and stops what it started.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that panics has failed, and says so")]

mod clients;
mod clients_db;
mod clients_dir;
mod clients_http;
mod clients_ics;
mod clients_mail;
mod clients_windows;
#[allow(unreachable_pub, reason = "one binary: everything here is for its other modules")]
mod common;
mod environment;
mod events;
mod every_service;
mod fleetfile;
mod generated;
mod guard;
mod hostile;
mod identity;
mod import;
mod kill;
mod lan;
mod lan_faults;
mod plan;
mod probe;
mod rules;
mod sandbox;
mod sniffer;
mod switch;
mod systemd;
mod tidy;
