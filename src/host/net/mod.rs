//! The host's network: links and addresses by netlink, namespaces, their kernel settings, detection.

mod detect;
mod link;
pub mod namespace;
mod neighbour;
pub mod netlink;
pub mod sysctl;
mod watch;

pub use detect::{Surroundings, detect};
pub use link::{Address, Child, ChildMode, Link, Route};
pub(crate) use namespace::apart;
pub use namespace::{Namespace, Traveller};
pub use neighbour::room_for_neighbours;
pub use netlink::{NetlinkError, Rtnetlink};
pub use sysctl::Sysctls;
pub use watch::LinkWatch;
